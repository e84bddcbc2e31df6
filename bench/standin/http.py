"""The subset of HTTP/1.1 that AWS SDKs need, on asyncio protocols."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

JSON = b"application/x-amz-json-1.0"
XML = b"text/xml"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_TARGET = re.compile(rb"(?i)\r\nx-amz-target: *(\S+)")
_EXPECT = re.compile(rb"(?i)\r\nexpect: *100-continue")
_END = b"\r\n\r\n"


@dataclass(eq=False)
class Request:
    """A request and its connection."""

    path: str
    target: str  # "AmazonSQS.ReceiveMessage"; empty for the query protocol
    body: bytes
    connection: "Connection"

    def reply(self, body: bytes, status: int = 200, kind: bytes = JSON, extra: bytes = b"") -> None:
        """Send the answer."""
        self.connection.send(body, status, kind, extra)

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self.connection.transport.abort()


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """A client's connection; calls ``serve`` for one request after the other."""

    serve: Callable[[Request], None]
    transport: asyncio.Transport = field(init=False)
    gone: Callable[[], None] | None = None  # called if the client disconnects
    _buffer: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the transport."""
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Call ``gone``."""
        if self.gone:
            self.gone()

    def data_received(self, data: bytes) -> None:
        """Serve every complete request."""
        self._buffer += data
        while self._buffer:
            head, end, rest = self._buffer.partition(_END)
            if not end:
                return
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                if not rest and _EXPECT.search(head):
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._buffer = rest[size:]
            target = _TARGET.search(head)
            path = head.split(b" ", 2)[1].decode()
            self.serve(Request(path, target[1].decode() if target else "", rest[:size], self))

    def send(self, body: bytes, status: int, kind: bytes, extra: bytes) -> None:
        """Write an answer unless the client has disconnected."""
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %d -\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
                b"x-amzn-RequestId: 7a3c1f7e-0000-5000-8000-000000000000\r\n%s\r\n%s"
                % (status, kind, len(body), extra, body)
            )
