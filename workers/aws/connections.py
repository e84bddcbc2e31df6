"""HTTP connections to one endpoint. Each is kept open, and carries one request at a time.

The standard library sends the requests: urllib3 takes half as much CPU time again for one. Errors
are the SDK's.
"""

import http.client
import socket
import ssl
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import wait_for_read

from workers.aws.certificates import authorities, trusting
from workers.aws.proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message


class _Plain(http.client.HTTPConnection):
    """A connection that sends head and body together: two writes wake up the receiver twice."""

    _held: bytearray | None = None

    def request(self, *what: Any, **named: Any) -> None:
        """Send a request; see ``http.client``."""
        self._held = bytearray()
        try:
            super().request(*what, **named)
            whole = self._held
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: Any) -> None:
        """Send bytes, or hold them until the request is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _Secure(_Plain, http.client.HTTPSConnection):
    """The same with TLS."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. The names are those that the SDK's retry handlers read."""

    status_code: int
    headers: "Message"  # looked up without regard to case
    content: bytes


@dataclass(frozen=True, eq=False)
class Connections:
    """Sends requests to ``endpoint``, a URL without a path. Thread-safe. Times in seconds."""

    endpoint: str
    connect_timeout: float
    read_timeout: float  # for each read, not for the whole of a response
    keep: int  # idle connections
    proxy: Proxy | None = None
    authorities: str = field(default_factory=authorities)  # a file
    _idle: "deque[http.client.HTTPConnection]" = field(default_factory=deque, repr=False)

    def __post_init__(self) -> None:
        """Close the idle connections with the last reference to this object."""
        weakref.finalize(self, _close, self._idle)

    def post(self, headers: "Mapping[str, str]", body: bytes) -> Answer:
        """Send one request and read the whole response. Never follows a redirect.

        Raises ``ConnectTimeoutError``, ``EndpointConnectionError``, ``ProxyConnectionError``,
        ``ReadTimeoutError``, ``SSLError``, ``ConnectionClosedError`` if the connection breaks or
        the response is cut short, and ``HTTPClientError`` for headers that cannot be sent.
        """
        connection = self._idle_connection() or self._open()
        try:
            answer = self._exchange(connection, headers, body)
        except BaseException as error:
            connection.close()
            if isinstance(error, ConnectionClosedError):
                _close(self._idle)  # they are as old, and a NAT gateway cuts all of them
            raise
        self._keep(connection)
        return answer

    def _exchange(
        self, connection: http.client.HTTPConnection, headers: "Mapping[str, str]", body: bytes
    ) -> Answer:
        try:
            connection.request("POST", *self._addressed(headers, body))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self.endpoint, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self.endpoint, error=error) from error
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionClosedError(endpoint_url=self.endpoint, error=error) from error
        except ValueError as error:  # a token or a host name that no header can hold
            raise HTTPClientError(error=error) from error

    def _addressed(
        self, headers: "Mapping[str, str]", body: bytes
    ) -> "tuple[str, bytes, Mapping[str, str]]":
        """Return target, body and headers of a request.

        A proxy that does not tunnel needs the whole URL, and its credentials each time.
        """
        if self.proxy and not self._tls:
            return f"{self.endpoint}/", body, {**headers, **self.proxy.headers}
        return "/", body, headers

    @property
    def _tls(self) -> bool:
        return self.endpoint.startswith("https:")

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                return None
            # Something to read before a request is the end of the connection.
            if connection.sock and not wait_for_read(connection.sock, timeout=0.0):
                return connection
            connection.close()
        return None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock and len(self._idle) < self.keep:  # no socket: the server closes it
            self._idle.append(connection)
        else:
            connection.close()

    def _open(self) -> http.client.HTTPConnection:
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.sock.settimeout(self.read_timeout)
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, http.client.HTTPException)):
                raise self._unreachable(error) from error
            raise
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        place = urlsplit(self.endpoint)
        host, port = str(place.hostname), place.port
        to = (self.proxy.host, self.proxy.port) if self.proxy else (host, port)
        if not self._tls:
            return _Plain(*to, timeout=self.connect_timeout)
        try:
            context = trusting(self.authorities)
        except OSError as error:  # ssl.SSLError is one
            raise SSLError(endpoint_url=self.endpoint, error=error) from error
        connection = _Secure(*to, timeout=self.connect_timeout, context=context)
        if self.proxy:
            connection.set_tunnel(host, port, self.proxy.headers)
        return connection

    def _unreachable(self, error: Exception) -> Exception:
        match error:
            case ssl.SSLError():
                return SSLError(endpoint_url=self.endpoint, error=error)
            case _ if self.proxy:
                return ProxyConnectionError(proxy_url=self.proxy.shown, error=error)
            case TimeoutError():
                return ConnectTimeoutError(endpoint_url=self.endpoint, error=error)
            case _:
                return EndpointConnectionError(endpoint_url=self.endpoint, error=error)


def _close(idle: "deque[http.client.HTTPConnection]") -> None:
    while idle:
        try:
            idle.pop().close()
        except IndexError:  # another thread took the last one
            return
