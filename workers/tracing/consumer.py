"""The spans of a receive loop: receive, process, settle.

The parent of ``process`` is the span that created the event, as the conventions allow where
messages are handled one at a time: an order is then one trace. A redelivered or redriven message
has another ``process`` span in the same trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span, set_span_in_context
from opentelemetry.util.types import AttributeValue

from workers.runtime.observability.canonical_line import CanonicalLine
from workers.runtime.ports import Queue
from workers.runtime.settlement import name_of
from workers.tracing.context import below, read_body, written
from workers.tracing.marks import attributes, fail
from workers.tracing.queue import Contexts, TracedQueue


class TracedConsumer:
    """Implements ``Spans``."""

    def __init__(self, tracer: Tracer, *, queue_url: str) -> None:
        self._tracer = tracer
        self._url = queue_url
        self._name = queue_url.rpartition("/")[2]
        self._attributes = attributes(self._name, "process", "process")
        self._processing = Contexts()

    def queue(self, queue: Queue) -> Queue:
        """As ``Spans.queue``."""
        return TracedQueue(queue, self._tracer, self._url, self._processing)

    @contextmanager
    def process(self, line: CanonicalLine) -> Iterator[None]:
        """As ``Spans.process``."""
        message = line.message
        span = self._tracer.start_span(
            f"process {self._name}",
            context=below(read_body(message.body)),
            kind=SpanKind.CONSUMER,
            attributes={**self._attributes, "messaging.message.id": message.id},
        )
        context = span.get_span_context()
        if context.is_valid:
            line.trace_id = f"{context.trace_id:032x}"
        self._processing.put(message.receipt_handle, context)
        token = attach(set_span_in_context(span))  # as use_span, for a third of the CPU time
        try:
            yield
            if span.is_recording():
                _describe(span, line)
        finally:
            detach(token)
            span.end()

    def traceparent(self) -> str | None:
        """As ``Spans.traceparent``."""
        return written(get_current_span().get_span_context())


def _describe(span: Span, line: CanonicalLine) -> None:
    fields: dict[str, AttributeValue] = {"workers.outcome": line.outcome}
    if (envelope := line.envelope) is not None:
        fields |= {
            "messaging.message.conversation_id": envelope.correlation_id,
            "cloudevents.event_id": envelope.event_id,
            "cloudevents.event_type": envelope.event_type,
        }
    span.set_attributes(fields)
    if line.error is not None:
        fail(span, name_of(line.error))
