"""Sends the head and the body of a response together.

uvicorn writes one after the other, and each write is a packet, wakes up the client, and hands the
interpreter to another thread.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT


class Corked:
    """A transport that holds what is written until the end of this turn of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._flushing: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        """Return anything else of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold bytes, up to a limit: a stream shall meet the limits of the transport."""
        self._held.append(data)
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self.flush)
        if sum(map(len, self._held)) > HIGH_WATER_LIMIT:
            self.flush()

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what is held."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            if not self._transport.is_closing():
                self._transport.write(b"".join(self._held))
            self._held.clear()
