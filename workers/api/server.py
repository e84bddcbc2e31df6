"""Runs the application on uvicorn; the worker handles signals and decides when to stop."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp

from workers.api.connections import MAX_CONNECTIONS, TimedProtocol
from workers.api.limits import REQUEST_THREADS
from workers.runtime.worker import Deadline, Stopping

# API Gateway sends requests to a task that ECS is stopping: ECS takes the task out of Cloud Map and
# signals it at the same moment, and API Gateway caches what Cloud Map answered. AWS does not state
# for how long; a drain has to outlast it.
# https://github.com/aws/containers-roadmap/issues/1639
LONGEST_DRAIN: Final = 25.0  # s
DRAIN_SHARE: Final = 1 / 4  # of the stop timeout, which also has to suffice for running requests
LEAST_GRACE: Final = 1  # s for running requests, also after a second signal
CLOSE: Final = (b"connection", b"close")
KEEP_ALIVE: Final = 75  # s; more than an ALB's 60 s, or it reuses connections we just closed


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Port 0 picks a free port. Raises ``OSError`` if taken."""
    return socket.create_server((host, port), backlog=MAX_CONNECTIONS)


def accepts_until(deadline: Deadline) -> float:
    """Return the time at which a drain stops accepting requests (monotonic).

    It is over once a second signal has moved the deadline.
    """
    drain = min(LONGEST_DRAIN, deadline.stop_timeout * DRAIN_SHARE)
    return deadline.at - (deadline.stop_timeout - deadline.margin - drain)


def serve(app: ASGIApp, listener: socket.socket, *, stopping: Stopping) -> None:
    """Serve until ``stopping`` is set, then drain and return.

    A drain still accepts requests, until ``accepts_until``; each response tells the client to close
    its connection. Then the listener and idle connections are closed, and running requests and
    their background tasks finish.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        http=TimedProtocol,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        ws="none",
    )
    _Server(config, stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A uvicorn server without signal handlers that drains once ``stopping`` is set.

    uvicorn itself closes the listener first: https://github.com/Kludex/uvicorn/pull/2414
    """

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = REQUEST_THREADS
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to close the listener. Called every 0.1 s."""
        await super().on_tick(counter)
        if not self._stopping.is_set():
            return False
        headers = self.server_state.default_headers  # of every response; uvicorn renews the list
        if CLOSE not in headers:
            headers.append(CLOSE)
        deadline = self._stopping.deadline
        return deadline.now() >= accepts_until(deadline)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listener and idle connections; give running requests the time that is left."""
        deadline = self._stopping.deadline
        grace = int(deadline.handlers_until - deadline.now())
        self.config.timeout_graceful_shutdown = max(LEAST_GRACE, grace)
        await super().shutdown(sockets)
