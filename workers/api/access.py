"""Logs and measures each request, and turns unexpected exceptions into a 500.

The log has the route template and ids, never a path, a body or the text of an error: those may
contain a customer's email address. A dependency that does not answer is named with its reason.
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
from workers.runtime.settlement import name_of

LABELS: Final = ("route", "method", "status")
CLIENT_GONE: Final = 499  # nginx's status for a client that disconnected before the response

log = structlog.get_logger()


class AccessMetrics:
    """Counts requests and measures their duration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("http_requests", "Requests served", LABELS, registry=registry)
        self.duration = Histogram(
            "http_request_duration_seconds", "Time to the response", LABELS, registry=registry
        )


class Access:
    """The outermost ASGI middleware: it sees every request and every response."""

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
        """Serve a request. An unexpected exception becomes a 500 that does not quote it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, recorded = self._now(), CLIENT_GONE, False

        async def observing(message: Message) -> None:
            nonlocal status, recorded
            status = message.get("status", status)
            await send(message)
            # Background tasks run after the response; the duration does not include them.
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                recorded = True
                self._record(scope, status, self._now() - started)

        try:
            await self._app(scope, receive, observing)
        except asyncio.CancelledError:
            # Requests are cancelled only at shutdown, once the grace period is over.
            if status == CLIENT_GONE:
                await respond(scope, _STOPPING)(scope, receive, observing)
        except Exception as error:  # noqa: BLE001 - the outermost layer catches everything
            _log_crash(scope, error)
            if status == CLIENT_GONE:
                await respond(scope, _CRASHED)(scope, receive, observing)
        if not recorded:
            self._record(scope, status, self._now() - started)

    def _record(self, scope: Scope, status: int, duration: float) -> None:
        route, method = _route(scope), _method(scope)
        self._metrics.requests.labels(route, method, status).inc()
        self._metrics.duration.labels(route, method, status).observe(duration)
        state = scope.get("state", {})
        failure = state.get("failure", {})
        write = log.warning if failure else log.info
        write(
            "request.served",
            method=method,
            route=route,
            status=status,
            durationMs=round(duration * 1_000, 1),
            **failure,
            **state.get("logged_ids", {}),
        )


_CRASHED: Final = Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred")
_STOPPING: Final = Refused(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The server is shutting down; the request may or may not have been processed",
    kind="stopping",
    retry_after=1,
)


def _log_crash(scope: Scope, error: Exception) -> None:
    log.error(
        "request.crashed",
        route=_route(scope),
        errorType=name_of(error),
        stack="".join(traceback.format_tb(error.__traceback__)),
    )


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _method(scope: Scope) -> str:
    """Map unknown methods to one label value, so that clients cannot create metric series."""
    return scope["method"] if scope["method"] in HTTPMethod.__members__ else "_OTHER"
