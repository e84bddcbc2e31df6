"""A Prometheus histogram as a distribution in CloudWatch's embedded metric format.

CloudWatch computes percentiles from values and their counts. A bucket becomes its middle, as in
the exporter that AWS maintains:
https://github.com/open-telemetry/opentelemetry-collector-contrib/pull/22626
CloudWatch drops a line with more than 100 values of one metric:
https://github.com/open-telemetry/opentelemetry-collector-contrib/pull/36336
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from prometheus_client.metrics_core import Metric

MAX_VALUES: Final = 100  # of one metric in a line


@dataclass(frozen=True)
class Distribution:
    """How many observations each bucket has, and their sum."""

    # By the upper bound of the bucket; with those of the smaller buckets, as Prometheus counts.
    cumulative: Mapping[float, float] = field(default_factory=dict)
    sum: float = 0.0

    @classmethod
    def read(cls, metric: Metric, counts: Callable[[Mapping[str, str]], bool]) -> Self:
        """Add up the series of a histogram whose labels ``counts`` accepts."""
        cumulative: Counter[float] = Counter()
        total = 0.0
        for sample in metric.samples:
            if not counts(sample.labels):
                continue
            if sample.name.endswith("_bucket"):
                cumulative[float(sample.labels["le"])] += sample.value  # type: ignore[assignment]
            elif sample.name.endswith("_sum"):
                total += sample.value
        return cls(cumulative, total)

    def since(self, before: "Distribution") -> "Distribution":
        """Return the observations that ``before`` does not have."""
        return Distribution(
            {
                bound: count - before.cumulative.get(bound, 0.0)
                for bound, count in self.cumulative.items()
            },
            self.sum - before.sum,
        )

    def as_document(self) -> dict[str, object] | None:
        """Return the value of the metric in a log line; None without observations."""
        values = self._values()
        if not values:
            return None
        return {
            "Values": list(values),
            "Counts": list(values.values()),
            "Min": min(values),
            "Max": max(values),
            "Count": sum(values.values()),
            "Sum": round(self.sum, 3),
        }

    def _values(self) -> dict[float, int]:
        values, lower, smaller = {}, 0.0, 0.0
        for bound, count in sorted(self.cumulative.items()):
            # The last bucket has no middle: its observations are at least its lower bound.
            middle = lower if math.isinf(bound) else (lower + bound) / 2
            if count > smaller:
                values[round(middle, 6)] = round(count - smaller)
            lower, smaller = bound, count
        return values
