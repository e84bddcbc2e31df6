"""Figures for CloudWatch's alarms: one log line a minute, no API call, nothing to run beside.

CloudWatch makes metrics of lines in its embedded metric format (EMF):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
The figures are read from the Prometheus registry, so what is on the way of a message does nothing
for them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

EVERY: Final = 60.0  # s; the shortest period of an alarm at the standard price
NAMESPACE: Final = "OrderPipeline"

# Figures are no messages for people: LOG_LEVEL must not switch the alarms off.
log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def _any(_: Mapping[str, str]) -> bool:
    return True


@dataclass(frozen=True)
class CloudWatchMetric:
    """A figure made of one Prometheus metric: what a counter grew by, or a gauge's highest."""

    name: str  # for CloudWatch
    metric: str  # for Prometheus, without "_total"
    unit: str = "Count"  # one that CloudWatch knows
    counts: Callable[[Mapping[str, str]], bool] = _any  # decides by labels
    unset: float | None = 0.0  # before anybody set it; None leaves it out

    def read(self, metric: Metric) -> float | None:
        """Give the value now; of a counter, since the start of the process."""
        values = [
            sample.value
            for sample in metric.samples
            if not sample.name.endswith("_created") and self.counts(sample.labels)
        ]
        if not values:
            return self.unset
        return sum(values) if metric.type == "counter" else max(values)


class MetricLines:
    """Writes the figures of one process. Any thread may call."""

    def __init__(
        self,
        registry: CollectorRegistry,
        figures: Sequence[CloudWatchMetric],
        *,
        environment: str,
        service: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Figures whose metric is not in ``registry`` are left out."""
        self._registry = registry
        self._figures = figures
        self._dimensions = {"Environment": environment, "Service": service}
        self._now = now
        self._counted: dict[str, float] = {}
        self._lock = Lock()

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Write a line every ``EVERY`` seconds."""
        while True:
            sleep(EVERY)
            self.write()

    def write(self) -> None:
        """Write what happened since the last line, if there is anything to measure."""
        with self._lock:
            values = self._values()
        if values:
            log.info("metrics", **self._line(values))

    def _values(self) -> dict[CloudWatchMetric, float]:
        metrics = {metric.name: metric for metric in self._registry.collect()}
        values = {}
        for figure in self._figures:
            if (metric := metrics.get(figure.metric)) is None:
                continue
            if (value := figure.read(metric)) is None:
                continue
            if metric.type == "counter":
                before, self._counted[figure.name] = self._counted.get(figure.name, 0.0), value
                value -= before
            values[figure] = round(value, 3)
        return values

    def _line(self, values: Mapping[CloudWatchMetric, float]) -> dict[str, object]:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(self._dimensions)],
            "Metrics": [{"Name": figure.name, "Unit": figure.unit} for figure in values],
        }
        return {
            "_aws": {"Timestamp": int(self._now() * 1_000), "CloudWatchMetrics": [directive]},
            **self._dimensions,
            **{figure.name: value for figure, value in values.items()},
        }
