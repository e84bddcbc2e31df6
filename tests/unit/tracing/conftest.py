"""A tracer whose spans stay in memory."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id


class Recorded:
    """A tracer, and what it recorded."""

    def __init__(self):
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer = self.provider.get_tracer("test")

    def spans(self, name=None):
        return [s for s in self._kept.get_finished_spans() if name in (None, s.name)]

    def one(self, name):
        [span] = self.spans(name)
        return span

    @staticmethod
    def traceparent(span):
        context = span.get_span_context()
        ids = format_trace_id(context.trace_id), format_span_id(context.span_id)
        return f"00-{ids[0]}-{ids[1]}-{context.trace_flags:02x}"

    def links(self, span):
        """Return the traceparents that a span links to."""
        return [
            f"00-{format_trace_id(c.trace_id)}-{format_span_id(c.span_id)}-{c.trace_flags:02x}"
            for c in (link.context for link in span.links)
        ]

    def parent(self, span):
        """Return the id of the parent; None for a root."""
        return span.parent and format_span_id(span.parent.span_id)


@pytest.fixture
def recorded():
    return Recorded()
