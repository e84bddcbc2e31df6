"""Metrics of the relay, for Prometheus and CloudWatch."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from workers.runtime.dependencies import Dependencies
from workers.runtime.observability.emf import CloudWatchMetric

# Sent to CloudWatch once a minute. Until the relay has read the outbox, it reports no age: missing
# data raises an alarm, 0 would not.
CLOUDWATCH_METRICS: Final = (
    CloudWatchMetric("OutboxAge", "outbox_oldest_seconds", unit="Seconds", unset=None),
    CloudWatchMetric("OutboxSetAside", "outbox_stuck"),
)

TABLE: Final = "dynamodb"
TOPIC: Final = "sns"
CREDENTIALS: Final = "credentials"


class RelayMetrics:
    """The state of the outbox and the work of this relay."""

    def __init__(
        self, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.dependencies = Dependencies(registry, (TABLE, TOPIC, CREDENTIALS), now=now)
        self.published = Counter(
            "outbox_published",
            "Attempts to publish a row, by result: published, refused or unavailable",
            ["result"],
            registry=registry,
        )
        for result in ("published", "refused", "unavailable"):
            self.published.labels(result)  # a series that starts at 0 can be alarmed on
        self.oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest waiting row", ["shard"], registry=registry
        )
        self.stuck = Gauge("outbox_stuck", "Rows set aside", registry=registry)
        self.lease_held = Gauge(
            "outbox_lease_held", "1 while this relay owns the shard", ["shard"], registry=registry
        )
