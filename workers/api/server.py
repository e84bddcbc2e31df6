"""Runs the application on uvicorn; the worker handles signals and decides when to stop."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp

from workers.api.limits import REQUEST_THREADS

KEEP_ALIVE: Final = 75  # s; more than an ALB's 60 s, or it reuses connections we just closed
MAX_CONNECTIONS: Final = 1_000  # above it, uvicorn answers 503; ``Gate`` does so earlier
MAX_HEADER_BYTES: Final = 16 * 1024


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Port 0 picks a free port. Raises ``OSError`` if taken."""
    return socket.create_server((host, port), backlog=MAX_CONNECTIONS)


def serve(
    app: ASGIApp, listener: socket.socket, *, stopping: threading.Event, grace: float
) -> None:
    """Serve until ``stopping`` is set, then drain and return.

    While draining, the server refuses new connections; running requests and their background
    tasks have ``grace`` s to finish.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        http="h11",
        lifespan="off",
        limit_concurrency=MAX_CONNECTIONS,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, int(grace)),
        timeout_keep_alive=KEEP_ALIVE,
        ws="none",
    )
    _Server(config, stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A uvicorn server that installs no signal handlers and stops when ``stopping`` is set."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stopping.is_set()
