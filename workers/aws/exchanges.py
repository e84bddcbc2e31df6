"""Requests and responses on one open connection: HTTP/1.1, read by llhttp, the parser of Node.js.

The standard library's client reads the head of a response with the parser of emails, which takes
longer than everything else about it.
"""

import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

if TYPE_CHECKING:
    import socket

READ_SIZE: Final = 32_768  # bytes
# Bytes in a row that are no content: a head, for example. The standard library's client accepts as
# much for one line of it.
MAX_OVERHEAD: Final = 2 * READ_SIZE
_OK: Final = 200  # lower ones are interim: the response follows


class Headers(dict[str, str]):
    """Headers of a response. Names are in lower case, and looked up without regard to case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header, or the default."""
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. The names are those that the SDK's retry handlers read."""

    status_code: int
    headers: Headers
    content: bytes


class BrokenResponse(Exception):
    """What was received is not an HTTP response, or only the beginning of one."""


def written(target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a POST as bytes. Raises ``ValueError`` for headers that cannot be sent."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = (
        f"POST {target} HTTP/1.1\r\n{lines}"
        f"Accept-Encoding: identity\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    # Line breaks within a header would be further headers, or another request.
    if not head.count("\r") == head.count("\n") == len(headers) + 4 or "\0" in head:
        raise ValueError("a header contains a line break or a null character")
    return head.encode("latin-1") + body


class Exchanges:
    """A connected socket that carries one request at a time. Not thread-safe.

    ``reusable`` is whether it can carry another one. After an error it cannot.
    """

    def __init__(self, connected: "socket.socket") -> None:
        self._socket = connected
        self._readable = select.poll()
        self._readable.register(connected, select.POLLIN)
        self._start()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def is_stale(self) -> bool:
        """Return whether there is something to read before a request: the end of the connection."""
        return bool(self._readable.poll(0))

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read the whole response.

        Raises ``OSError`` and ``BrokenResponse``.
        """
        self._start()
        # At once: two writes wake up the receiver twice.
        self._socket.sendall(request)
        while not self._complete:
            received = self._socket.recv(READ_SIZE)
            if received:
                self._parse(received)
            elif self._open_ended():
                break
            else:
                raise BrokenResponse("the connection was closed before the response was complete")
        return Answer(self._status, Headers(self._headers), b"".join(self._content))

    def _start(self) -> None:
        # A new one for each response: nothing of one can reach the next.
        self._parser = HttpResponseParser(self)
        self.reusable = self._complete = self._head_is_read = False
        self._status = self._overhead = 0
        self._headers: dict[str, str] = {}
        self._content: list[bytes] = []

    def _parse(self, received: bytes) -> None:
        self._overhead += len(received)
        try:
            self._parser.feed_data(received)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.reusable = False
            if not self._complete:  # else it is what follows the response
                raise BrokenResponse(f"not a response: {error}") from error
        if self._overhead > MAX_OVERHEAD and not self._complete:
            raise BrokenResponse(f"more than {MAX_OVERHEAD} bytes of headers")

    def _open_ended(self) -> bool:
        """Return whether the end of the connection is that of the response."""
        coding = self._headers.get("transfer-encoding", "")
        return (
            self._head_is_read
            and "content-length" not in self._headers
            and "chunked" not in coding.lower()
        )

    # llhttp calls these. The last four may concern what follows the response: it is not read.

    def on_message_begin(self) -> None:
        """Note that something follows the response."""
        self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; not one that follows the content."""
        if self._head_is_read:
            return
        known, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        before = self._headers.get(known)
        self._headers[known] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """Note the status."""
        if not self._head_is_read:
            self._head_is_read, self._status = True, self._parser.get_status_code()

    def on_body(self, content: bytes) -> None:
        """Keep a part of the content."""
        if not self._complete:
            self._content.append(content)
            self._overhead = 0

    def on_message_complete(self) -> None:
        """End the response, or go on after an interim one."""
        if self._complete:
            return
        if self._status < _OK:
            self._head_is_read = False
            self._headers.clear()
        else:
            self._complete, self.reusable = True, self._parser.should_keep_alive()
