"""HTTP connections to one endpoint. Each is kept open, and carries one request at a time.

The standard library opens them, also through a proxy. Errors are the SDK's.
"""

import http.client
import socket
import ssl
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
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

from workers.aws.certificates import authorities, trusting
from workers.aws.exchanges import Answer, BrokenResponse, Exchanges, written
from workers.aws.proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, eq=False)
class Connections:
    """Sends requests to ``endpoint``, a URL without a path. Thread-safe. Times in seconds."""

    endpoint: str
    connect_timeout: float
    read_timeout: float  # for each read, not for the whole of a response
    keep: int  # idle connections
    proxy: Proxy | None = None
    authorities: str = field(default_factory=authorities)  # a file
    _idle: "deque[Exchanges]" = field(default_factory=deque, repr=False)

    def __post_init__(self) -> None:
        """Close the idle connections with the last reference to this object."""
        weakref.finalize(self, _close, self._idle)

    def post(self, headers: "Mapping[str, str]", body: bytes) -> Answer:
        """Send one request and read the whole response. Never follows a redirect.

        Raises ``ConnectTimeoutError``, ``EndpointConnectionError``, ``ProxyConnectionError``,
        ``ReadTimeoutError``, ``SSLError``, ``ConnectionClosedError`` if the connection breaks or
        the response is cut short, and ``HTTPClientError`` for headers that cannot be sent.
        """
        request = self._written(headers, body)
        connection = self._idle_connection() or self._open()
        try:
            answer = self._exchange(connection, request)
        except BaseException as error:
            connection.close()
            if isinstance(error, ConnectionClosedError):
                _close(self._idle)  # they are as old, and a NAT gateway cuts all of them
            raise
        self._keep(connection)
        return answer

    def _written(self, headers: "Mapping[str, str]", body: bytes) -> bytes:
        """Return the bytes of a request.

        A proxy that does not tunnel needs the whole URL, and its credentials each time.
        """
        target = "/"
        if self.proxy and not self._tls:
            target, headers = f"{self.endpoint}/", {**headers, **self.proxy.headers}
        try:
            return written(target, headers, body)
        except ValueError as error:  # a token or a host name that no header can hold
            raise HTTPClientError(error=error) from error

    def _exchange(self, connection: Exchanges, request: bytes) -> Answer:
        try:
            return connection.exchange(request)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self.endpoint, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self.endpoint, error=error) from error
        except (OSError, BrokenResponse) as error:
            raise ConnectionClosedError(endpoint_url=self.endpoint, error=error) from error

    @property
    def _tls(self) -> bool:
        return self.endpoint.startswith("https:")

    def _idle_connection(self) -> Exchanges | None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                return None
            if not connection.is_stale():
                return connection
            connection.close()
        return None

    def _keep(self, connection: Exchanges) -> None:
        if connection.reusable and len(self._idle) < self.keep:
            self._idle.append(connection)
        else:
            connection.close()

    def _open(self) -> Exchanges:
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
        return Exchanges(connection.sock)

    def _connection(self) -> http.client.HTTPConnection:
        place = urlsplit(self.endpoint)
        host, port = str(place.hostname), place.port
        to = (self.proxy.host, self.proxy.port) if self.proxy else (host, port)
        if not self._tls:
            return http.client.HTTPConnection(*to, timeout=self.connect_timeout)
        try:
            context = trusting(self.authorities)
        except OSError as error:  # ssl.SSLError is one
            raise SSLError(endpoint_url=self.endpoint, error=error) from error
        connection = http.client.HTTPSConnection(*to, timeout=self.connect_timeout, context=context)
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


def _close(idle: "deque[Exchanges]") -> None:
    while idle:
        try:
            idle.pop().close()
        except IndexError:  # another thread took the last one
            return
