"""Cuts off clients that are slow or silent, so that they take no other client's place.

uvicorn has no time limit for a request's headers or for reading a response, and its limit of
connections refuses the newest: https://github.com/Kludex/uvicorn/issues/157

Its protocol on httptools takes a fraction of the CPU time of that on h11, and lacks some of h11's
care: limits of size, the Host header, trailers, and errors while a request is served.
"""

import asyncio
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workers.api.corking import Corked

# For the headers of a request: from the start of the connection, or from the first byte after a
# response. The issue above suggests 10 s; Apache allows 20 s:
# https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html
HEADER_TIMEOUT: Final = 10.0  # s
# For a client to read a response that fills its socket's buffers. The largest, the script of /docs,
# has 1.5 MB: 12 s at 1 Mbit/s.
SEND_TIMEOUT: Final = 20.0  # s
# Above it, the connection whose client has kept us waiting for longest is closed. They may hold a
# body of 64 KiB each (``gate.MAX_REQUEST_BYTES``).
MAX_CONNECTIONS: Final = 1_000
# Of the headers of a request, and of the trailers of its body.
MAX_HEADER_BYTES: Final = 16 * 1024
# Requests that a client sends ahead on one connection. Those in front of us send none.
MAX_PIPELINED: Final = 10
_MALFORMED: Final = "Invalid HTTP request received."


class MalformedRequest(Exception):
    """The request breaks a rule of HTTP; httptools turns it into a parser error."""


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits. ``Gate`` limits the time for a body.

    It needs from uvicorn: ``_unset_keepalive_if_required``, ``connections``, ``cycle``, ``flow``,
    ``headers``, ``logger``, ``loop``, ``parser``, ``pipeline``, ``transport``, ``url``.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting_since: float | None = None  # s of the loop; None: it is our turn
        self._headers = _Timer(self.loop)
        self._unparsed = 0  # bytes since the last part of a request was complete
        self._in_head = False
        self._head = 0  # bytes of the headers so far
        self._closes = False  # after the responses that are due
        self._sending = _Timer(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit for the first request."""
        super().connection_made(transport)
        self._corked = Corked(transport, self.loop)
        self.transport = cast("asyncio.Transport", self._corked)
        # Pauses writing as soon as the client's socket is full, not 64 KiB later.
        transport.set_write_buffer_limits(high=0)
        self.waiting_since = self.loop.time()
        self._headers.start(HEADER_TIMEOUT, transport.abort)
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all time limits."""
        self._headers.stop()
        self._sending.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take part of a request. The time limit runs on until its headers are complete."""
        if not self._serving and not self._headers.running:
            self._headers.start(HEADER_TIMEOUT, self.transport.abort)
            self.waiting_since = self.loop.time()
        self._unset_keepalive_if_required()
        self._unparsed += len(data)
        self._parse(data)
        if self._unparsed > MAX_HEADER_BYTES:
            self.send_400_response("The headers are too large.")
        self._look()

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Trailers are dropped: they must not pass for headers (RFC 9110, 6.5.1).

        Raises ``MalformedRequest``.
        """
        if not self._in_head:
            return
        self._head += len(name) + len(value)
        if self._head + len(self.url) > MAX_HEADER_BYTES:
            raise MalformedRequest("the headers are too large")
        # llhttp keeps the whitespace after a value, which is no part of it (RFC 9112, 5.1).
        super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Serve the request. Raises ``MalformedRequest``."""
        if self.parser.should_upgrade():  # an exception follows; see ``_parse``
            if self.parser.get_method() == b"CONNECT":
                raise MalformedRequest("this is no proxy")
            return
        self._in_head, self._unparsed = False, 0
        hosts = codings = 0
        for name, value in self.headers:
            hosts += name == b"host"
            codings += name == b"transfer-encoding"
            if name == b"transfer-encoding" and (codings > 1 or value.lower() != b"chunked"):
                raise MalformedRequest("another transfer coding than chunked")
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise MalformedRequest("one Host header is required: RFC 9112, 3.2")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise MalformedRequest("too many requests at once")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take part of a body."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a body."""
        if self._in_head:
            return
        self._unparsed = 0
        super().on_message_complete()
        if not self._serving and not self.transport.is_closing():
            self._wait()  # it was answered before its end, a refused caller's for example

    def send_400_response(self, msg: str) -> None:
        """Refuse what the client sends, and close the connection.

        A request that is whole gets its own response first.
        """
        if self.transport.is_closing():
            return
        if not self._serving:
            super().send_400_response(msg)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
        elif self.pipeline:
            self.pipeline.popleft()  # the newest: it is not whole, and has not begun
            self._closes = True
            self.flow.pause_reading()
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._corked.flush()
        if self._closes and not self.pipeline:
            self.transport.close()
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Start the time limit for reading the response."""
        super().pause_writing()
        self._sending.start(SEND_TIMEOUT, self.transport.abort)
        self._look()

    def resume_writing(self) -> None:
        """Stop the time limit: the client has read."""
        super().resume_writing()
        self._sending.stop()
        self._look()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_again(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning(_MALFORMED)
            self.send_400_response(_MALFORMED)

    def _parse_again(self, rest: bytes) -> None:
        """Go on as if the client had not asked to change the protocol (RFC 9110, 7.8).

        httptools drops the body of such a request. Java's client asks each time for HTTP/2.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b\r\n" % (method, self.url, version)]
        head += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._unparsed = 0
        self._parse(b"".join([*head, b"\r\n", rest]))

    def _wait(self) -> None:
        """Wait for the next request as long as after a response."""
        self._headers.stop()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        if self._serving:
            self._headers.stop()
        unsent = not self._serving or self.cycle.more_body
        if not unsent and not self.flow.write_paused:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = self.loop.time()

    def _make_room(self) -> None:
        """Close the connection that has kept us waiting for longest: this one, if no other."""
        since = {
            connection: connection.waiting_since
            for connection in self.connections
            if isinstance(connection, TimedProtocol) and connection.waiting_since is not None
        }
        slowest = min(since, key=since.__getitem__)
        self.connections.discard(slowest)  # at once: more connections may be made before it is lost
        slowest.transport.abort()


class _Timer:
    """A time limit that may run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float, expired: Any) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, expired)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
