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

from workers.runtime.observability.distribution import Distribution

EVERY: Final = 60.0  # s; the shortest period of an alarm at the standard price

# These lines feed the alarms: LOG_LEVEL must not turn them off.
log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def _any(_: Mapping[str, str]) -> bool:
    return True


@dataclass(frozen=True)
class CloudWatchMetric:
    """A CloudWatch metric from a Prometheus one.

    It is a counter's increase, a gauge's maximum or the new observations of a histogram.
    """

    name: str  # for CloudWatch
    metric: str  # for Prometheus, without "_total"
    unit: str = "Count"  # a unit of CloudWatch
    counts: Callable[[Mapping[str, str]], bool] = _any  # selects samples by their labels
    unset: float | None = 0.0  # the value without samples; None omits the metric

    def read(self, metric: Metric) -> float | None:
        """Return the value of a gauge, or of a counter since the process started."""
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
        self._observed: dict[str, Distribution] = {}
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

    def _values(self) -> dict[CloudWatchMetric, object]:
        collected = {source.name: source for source in self._registry.collect()}
        values = {
            metric: self._value(metric, collected[metric.metric])
            for metric in self._metrics
            if metric.metric in collected
        }
        return {metric: value for metric, value in values.items() if value is not None}

    def _value(self, metric: CloudWatchMetric, source: Metric) -> object:
        if source.type == "histogram":
            now = Distribution.read(source, metric.counts)
            before = self._observed.get(metric.name, Distribution())
            self._observed[metric.name] = now
            return now.since(before).as_document()
        value = metric.read(source)
        if value is not None and source.type == "counter":
            counted, self._counted[metric.name] = self._counted.get(metric.name, 0.0), value
            value -= counted
        return None if value is None else round(value, 3)

    def _line(self, values: Mapping[CloudWatchMetric, object]) -> dict[str, object]:
        return line_of(
            {(metric.name, metric.unit): value for metric, value in values.items()},
            namespace=self._namespace,
            dimensions=self._dimensions,
            now=self._now(),
        )


def line_of(
    values: Mapping[tuple[str, str], object],
    *,
    namespace: str,
    dimensions: Mapping[str, str],
    now: float,
) -> dict[str, object]:
    """Return the fields of a line: values by name and unit, at ``now`` (epoch seconds)."""
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in values],
    }
    return {
        "_aws": {"Timestamp": int(now * 1_000), "CloudWatchMetrics": [directive]},
        **dimensions,
        **{name: value for (name, _), value in values.items()},
    }
