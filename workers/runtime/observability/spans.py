"""The port of tracing: what the receive loop tells it. ``workers.tracing`` implements it.

Without tracing there is no such object, and nothing of OpenTelemetry is imported.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from workers.runtime.observability.canonical_line import CanonicalLine
from workers.runtime.ports import Queue


class Spans(Protocol):
    """The spans of one receive loop."""

    def queue(self, queue: Queue) -> Queue:
        """Return the queue with a span for each request that receives or settles messages."""

    def process(self, line: CanonicalLine) -> AbstractContextManager[None]:
        """Open the span of a message while it is handled; ``line`` says how that ended."""

    def traceparent(self) -> str | None:
        """Return the trace context of the message that this thread handles; None without one."""
