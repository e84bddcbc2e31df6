"""The span of an HTTP request to order-api.

FastAPI's own spans and OpenTelemetry's instrumentation are not used: they record the path and the
query as the client wrote them, and the latter the client's address. Any of these may be personal
data. FastAPI's stay off because they need a global tracer provider, which nothing here sets.
"""

from http import HTTPMethod, HTTPStatus
from typing import Final

from opentelemetry.trace import Span, SpanKind, Tracer, use_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.api.gate import HEALTH
from workers.tracing.context import TRACEPARENT, below, read, written
from workers.tracing.marks import fail

_HEADER: Final = TRACEPARENT.encode()


class TracedHttp:
    """The outermost ASGI middleware. It continues the client's trace, or starts one.

    The application finds the span in the ``traceparent`` header, as behind a proxy that traces.
    """

    def __init__(self, app: ASGIApp, *, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; the span ends with the response, before its background tasks."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in HTTPMethod.__members__ else "_OTHER"
        given = [text for name, text in scope["headers"] if name == _HEADER]
        span = self._tracer.start_span(
            method,
            context=below(read(given[0].decode("latin-1")) if len(given) == 1 else None),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope["scheme"]},
        )
        traced = {**scope, "headers": _with(span, scope)}

        async def observing(message: Message) -> None:
            if message["type"] == "http.response.start":
                _describe(span, method, traced, message["status"])
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                span.end()

        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                await self._app(traced, receive, observing)
            finally:
                if span.is_recording():  # the client has gone
                    span.end()


def _with(span: Span, scope: Scope) -> list[tuple[bytes, bytes]]:
    others = [(name, text) for name, text in scope["headers"] if name != _HEADER]
    context = written(span.get_span_context())
    return [*others, (_HEADER, context.encode())] if context else others


def _describe(span: Span, method: str, scope: Scope, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if route := getattr(scope.get("route"), "path", None):
        span.set_attribute("http.route", route)
        span.update_name(f"{method} {route}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        fail(span, str(status))
