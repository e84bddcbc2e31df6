"""Metrics for CloudWatch's alarms: one log line a minute, no API call, no sidecar.

CloudWatch turns lines in its embedded metric format (EMF) into metrics:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
The values come from the Prometheus registry, so handling a message does no work for them.
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

# These lines feed the alarms: LOG_LEVEL must not turn them off.
log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def _any(_: Mapping[str, str]) -> bool:
    return True


@dataclass(frozen=True)
class CloudWatchMetric:
    """A CloudWatch metric from a Prometheus one: a counter's increase or a gauge's maximum."""

    name: str  # for CloudWatch
    metric: str  # for Prometheus, without "_total"
    unit: str = "Count"  # a unit of CloudWatch
    counts: Callable[[Mapping[str, str]], bool] = _any  # selects samples by their labels
    unset: float | None = 0.0  # the value without samples; None omits the metric

    def read(self, metric: Metric) -> float | None:
        """Return the current value; for a counter, since the process started."""
        values = [
            sample.value
            for sample in metric.samples
            if not sample.name.endswith("_created") and self.counts(sample.labels)
        ]
        if not values:
            return self.unset
        return sum(values) if metric.type == "counter" else max(values)


class MetricLines:
    """Writes the metrics of one process. Any thread may call it."""

    def __init__(
        self,
        registry: CollectorRegistry,
        metrics: Sequence[CloudWatchMetric],
        *,
        namespace: str,
        environment: str,
        service: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Omits each of ``metrics`` whose Prometheus metric is not in ``registry``."""
        self._registry = registry
        self._metrics = metrics
        self._namespace = namespace
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
        """Write a line about the time since the last one, unless there is no value."""
        with self._lock:
            values = self._values()
        if values:
            log.info("metrics", **self._line(values))

    def _values(self) -> dict[CloudWatchMetric, float]:
        collected = {source.name: source for source in self._registry.collect()}
        values = {}
        for metric in self._metrics:
            if (source := collected.get(metric.metric)) is None:
                continue
            if (value := metric.read(source)) is None:
                continue
            if source.type == "counter":
                before, self._counted[metric.name] = self._counted.get(metric.name, 0.0), value
                value -= before
            values[metric] = round(value, 3)
        return values

    def _line(self, values: Mapping[CloudWatchMetric, float]) -> dict[str, object]:
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [list(self._dimensions)],
            "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in values],
        }
        return {
            "_aws": {"Timestamp": int(self._now() * 1_000), "CloudWatchMetrics": [directive]},
            **self._dimensions,
            **{metric.name: value for metric, value in values.items()},
        }
