"""Exports queue depths to Prometheus. Not needed on AWS, where CloudWatch has them."""

from collections.abc import Callable, Iterator
from functools import cache
from threading import Event as Flag
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from workers.ops.queues import Queues
from workers.process import opening
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.observability.health import Health, Status
from workers.runtime.worker import UntilStopped, Worker

LABELS: Final = ("messaging_destination_name", "state")

log = structlog.get_logger()


class QueueDepths(Collector):
    """Collects queue depths at every scrape; without an answer there are no samples."""

    def __init__(self, find: Callable[[], Queues]) -> None:
        self._queues = cache(find)  # at the first scrape: the queues may not exist before

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the messages of every queue by state, and whether SQS answered."""
        messages = GaugeMetricFamily(
            "messaging_queue_messages", "Messages (approximate)", labels=LABELS
        )
        answered = GaugeMetricFamily("messaging_queues_answered", "1 if SQS answered")
        try:
            for queue in self._queues().states():
                messages.add_metric((queue.queue, "visible"), queue.visible)
                messages.add_metric((queue.queue, "in_flight"), queue.in_flight)
                messages.add_metric((queue.queue, "delayed"), queue.delayed)
                messages.add_metric((queue.queue, "dead"), queue.dead)
        except (FatalError, Unavailable) as error:
            log.warning("queues.unknown", reason=str(error))
            answered.add_metric((), 0)
            yield answered
        else:
            answered.add_metric((), 1)
            yield from (messages, answered)


def serve(find: Callable[[], Queues], *, port: int, stop_timeout: float) -> int:
    """Answer scrapes until a signal; return the exit code.

    Raises ``FatalError`` if the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(QueueDepths(find))
    ProcessCollector(registry=registry)
    running = UntilStopped({"metrics": _wait})
    status = Status(obstacles=running.obstacles, registry=registry)
    with opening("METRICS_PORT", port):
        port = Health(lambda: status).serve(port)
    log.info("queues.serving", metricsPort=port)
    return Worker(running, stop_timeout=stop_timeout).run()


def _wait(stopping: Flag) -> None:
    stopping.wait()
