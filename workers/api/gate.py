"""Limits concurrent requests, and the size and duration of request bodies."""

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.api.limits import MAX_IN_FLIGHT
from workers.api.problems import Refused, respond

MAX_REQUEST_BYTES: Final = 64 * 1024
BODY_TIMEOUT: Final = 10.0  # s
HEALTH: Final = "/healthz"  # exempt: if it failed under load, the load balancer would kill the task


class Gate:
    """ASGI middleware that rejects requests beyond the limits before they use a thread."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        body_timeout: float = BODY_TIMEOUT,
    ) -> None:
        self._app = app
        self._free = max_in_flight
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or respond with a problem: 408, 413 or 503."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._admit(scope, receive)
        except Refused as refused:
            await respond(scope, refused)(scope, receive, send)
            return
        if body is None:
            return
        self._free -= 1
        try:
            await self._app(scope, _replay(body, receive), send)
        finally:
            self._free += 1

    async def _admit(self, scope: Scope, receive: Receive) -> bytes | None:
        """Read the whole body. Returns None if the client disconnected.

        A request takes a place once its body is complete, so a slow body takes none.
        ``connections`` limits the number of bodies.
        """
        body = await self._read(scope, receive)
        if self._free <= 0:
            raise _overloaded()
        return body

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        if int(dict(scope["headers"]).get(b"content-length", b"0")) > MAX_REQUEST_BYTES:
            raise _too_large()
        try:
            async with asyncio.timeout(self._body_timeout):
                return await _body(receive)
        except TimeoutError:
            raise Refused(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request body did not arrive within {self._body_timeout:g} s",
                headers={"Connection": "close"},
            ) from None


async def _body(receive: Receive) -> bytes | None:
    """Read the body up to the limit, whatever Content-Length says. None: client disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``Receive`` that yields the body already read, then the messages after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def _overloaded() -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many concurrent requests",
        kind="overloaded",
        retry_after=1,
    )


def _too_large() -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The request body exceeds {MAX_REQUEST_BYTES} bytes",
        headers={"Connection": "close"},
    )
