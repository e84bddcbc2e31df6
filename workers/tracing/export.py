"""Exports spans by OTLP over HTTP, in a thread of its own.

The SDK reads its own variables: the sampler (``OTEL_TRACES_SAMPLER``), the limits of the batches
(``OTEL_BSP_*``), headers and timeout (``OTEL_EXPORTER_OTLP_*``). A receiver that does not answer
costs spans, never work or memory: the SDK keeps 2,048 spans and drops the others.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

REPORT_EVERY: Final = 60.0  # s between log lines about spans that were not exported

log = structlog.get_logger()


class Quiet(SpanExporter):
    """An exporter whose failures are one log line a minute, with the number of lost spans."""

    def __init__(self, exporter: SpanExporter, now: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._now = now
        self._lost = 0
        self._reported_at = -REPORT_EVERY

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch. Never raises."""
        reason = "the receiver did not accept them"
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - tracing must not end anything
            result, reason = SpanExportResult.FAILURE, type(error).__name__
        if result is not SpanExportResult.SUCCESS:
            self._failed(len(spans), reason)
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def _failed(self, spans: int, reason: str) -> None:
        self._lost += spans
        if self._now() - self._reported_at >= REPORT_EVERY:
            log.warning("traces.not_exported", spans=self._lost, reason=reason)
            self._lost, self._reported_at = 0, self._now()


def batches() -> BatchSpanProcessor:
    """Return what collects spans and exports them in batches."""
    processor = BatchSpanProcessor(Quiet(OTLPSpanExporter()))
    # A wrong variable has been reported by now. From here on the SDK would write a line per try.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return processor
