"""The spans of requests to DynamoDB, by the hooks of the SDK's client.

OpenTelemetry's own instrumentation is not used: it replaces a method of every client of the SDK,
and writes a traceparent of its own into each event that is published to SNS, which must go out as
it is stored.
"""

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span

from workers.runtime.settlement import name_of
from workers.tracing.marks import fail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SPAN = "workers.span"
_FIRST_ERROR = 300  # HTTP status


def trace_dynamodb(client: "DynamoDBClient", tracer: Tracer, table: str) -> None:
    """Give each request of the client a span, inside a span that is recorded.

    Heartbeats and looks at the outbox, which belong to no message or request, have none.
    """
    everywhere = {"db.system.name": "aws.dynamodb", "db.collection.name": table}

    def start(model: Any, context: dict[str, Any], **_: object) -> None:
        if not get_current_span().is_recording():
            return
        context[_SPAN] = tracer.start_span(
            f"{model.name} {table}",
            kind=SpanKind.CLIENT,
            attributes={**everywhere, "db.operation.name": model.name},
        )

    events = client.meta.events
    events.register("before-call.dynamodb", start)
    events.register("after-call.dynamodb", _answered)
    events.register("after-call-error.dynamodb", _broken)


def _answered(parsed: Any, context: dict[str, Any], **_: object) -> None:
    span: Span | None = context.pop(_SPAN, None)
    if span is None:
        return
    metadata = parsed.get("ResponseMetadata", {})
    if metadata.get("HTTPStatusCode", 0) >= _FIRST_ERROR:
        # What AWS asks for. Each attribute costs CPU time, so only failures have it.
        span.set_attribute("aws.request_id", metadata.get("RequestId", ""))
        code = str(parsed.get("Error", {}).get("Code", metadata["HTTPStatusCode"]))
        span.set_attribute("db.response.status_code", code)
        fail(span, code)
    span.end()


def _broken(exception: Exception, context: dict[str, Any], **_: object) -> None:
    span: Span | None = context.pop(_SPAN, None)
    if span is not None:
        fail(span, name_of(exception))
        span.end()
