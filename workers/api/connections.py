"""Cuts off clients that are slow or silent, so that they take no other client's place.

uvicorn has no time limit for a request's headers or for reading a response, and its limit of
connections refuses the newest: https://github.com/Kludex/uvicorn/issues/157
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

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


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with time limits. ``Gate`` limits the time for a body.

    It needs from uvicorn: ``cycle``, ``conn``, ``connections``, ``flow``, ``loop``, ``transport``.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting_since: float | None = None  # s of the loop; None: it is our turn
        self._headers = _Timer(self.loop)
        self._sending = _Timer(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit for the first request."""
        super().connection_made(transport)
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
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
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

    @property
    def _serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        if self._serving:
            self._headers.stop()
        unsent = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)  # a request, or its body
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
