"""What the relay measures, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from workers.runtime.observability.emf import CloudWatchMetric

# What CloudWatch hears of the relay once a minute. An outbox that was never looked at has no age:
# no data is an alarm, 0 would be none.
CLOUDWATCH_METRICS: Final = (
    CloudWatchMetric("OutboxAge", "outbox_oldest_seconds", unit="Seconds", unset=None),
    CloudWatchMetric("OutboxSetAside", "outbox_stuck"),
)


class RelayMetrics:
    """The state of the outbox, and what this relay did about it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published = Counter(
            "outbox_published",
            "Attempts to publish a row: published, refused or unavailable",
            ["result"],
            registry=registry,
        )
        self.oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest waiting row", ["shard"], registry=registry
        )
        self.stuck = Gauge("outbox_stuck", "Rows set aside", registry=registry)
        self.lease_held = Gauge(
            "outbox_lease_held", "1 while this relay has the shard", ["shard"], registry=registry
        )
