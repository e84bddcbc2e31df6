"""One log line and one measurement per request; no crash gets out.

Logged are the route's template and ids, never a path, a body or an error's text: they may hold
a customer's e-mail address.
"""

import asyncio
import time
import traceback
from collections.abc import Callable
from http import HTTPMethod, HTTPStatus
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.api.problems import Refused, respond

LABELS: Final = ("route", "method", "status")
CLIENT_GONE: Final = 499  # as nginx logs it: the client left before the answer

log = structlog.get_logger()


class AccessMetrics:
    """How many requests there were and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("http_requests", "Requests served", LABELS, registry=registry)
        self.duration = Histogram(
            "http_request_duration_seconds", "Time to the answer", LABELS, registry=registry
        )


class Access:
    """ASGI middleware, outermost: sees every request and every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: AccessMetrics,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; an unexpected exception becomes a 500 without its text."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, answered = self._now(), CLIENT_GONE, False

        async def observing(message: Message) -> None:
            nonlocal status, answered
            status = message.get("status", status)
            await send(message)
            # Background tasks run after the answer and are not part of its time.
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                answered = True
                self._record(scope, status, self._now() - started)

        try:
            await self._app(scope, receive, observing)
        except asyncio.CancelledError:
            # Only the end of the server cancels a request: its grace is over.
            if status == CLIENT_GONE:
                await respond(scope, _STOPPING)(scope, receive, observing)
        except Exception as error:  # noqa: BLE001 - the border: nothing may get past it
            _log_crash(scope, error)
            if status == CLIENT_GONE:
                await respond(scope, _CRASHED)(scope, receive, observing)
        if not answered:
            self._record(scope, status, self._now() - started)

    def _record(self, scope: Scope, status: int, duration: float) -> None:
        route, method = _route(scope), _method(scope)
        self._metrics.requests.labels(route, method, status).inc()
        self._metrics.duration.labels(route, method, status).observe(duration)
        log.info(
            "request.served",
            method=method,
            route=route,
            status=status,
            durationMs=round(duration * 1_000, 1),
            **scope.get("state", {}).get("story", {}),
        )


_CRASHED: Final = Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side")
_STOPPING: Final = Refused(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The server is stopping; it may or may not have carried this out",
    kind="stopping",
    retry_after=1,
)


def _log_crash(scope: Scope, error: Exception) -> None:
    log.error(
        "request.crashed",
        route=_route(scope),
        errorType=type(error).__name__,
        stack="".join(traceback.format_tb(error.__traceback__)),
    )


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Scope) -> str:
    """Keep invented methods from becoming new series."""
    return scope["method"] if scope["method"] in HTTPMethod.__members__ else "_OTHER"
