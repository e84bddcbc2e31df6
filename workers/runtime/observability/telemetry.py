"""The metrics of the runtime, for Prometheus.

Names follow OpenTelemetry's messaging conventions (in Development as of 2026) in Prometheus
spelling. A label never holds an id.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from workers.runtime.observability.emf import CloudWatchMetric
from workers.runtime.ports import Failure, Message, Queue
from workers.runtime.settlement import name_of

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
UNKNOWN: Final = "unknown"  # the event type of a message of no known type, as a label
# A service may have more: those get a sample when they fail for the first time.
DEPENDENCIES: Final = ("access", "credentials", "dynamodb", "sns", "sqs")
OUTAGES: Final = ("unavailable", "FatalError")
# Settlement and outcome of messages that were not handled; "none": their lease was lost.
TROUBLE: Final = (("retry", "retried"), ("dead_letter", "dead_lettered"), ("none", "redelivered"))
LEASE_LOSSES: Final = ("handler_timeout", "twelve_hours", "expired", "taken")
SETTLEMENTS: Final = "messaging_settlements"  # by event type, settlement and outcome
# A message can wait for hours. 300 s is the threshold of the alarm "late".
LONG_BUCKETS: Final = (*BUCKETS, 300.0, 900.0, 3_600.0)


def _ended_in(*settlements: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: labels["settlement"] in settlements


# Sent to CloudWatch once a minute. "none" is a message whose lease was lost.
CLOUDWATCH_METRICS: Final = (
    CloudWatchMetric("ProcessingDuration", "messaging_process_duration_seconds", unit="Seconds"),
    CloudWatchMetric("CriticalTime", "messaging_critical_time_seconds", unit="Seconds"),
    CloudWatchMetric("QueueAge", "messaging_queue_age_seconds", unit="Seconds"),
    CloudWatchMetric("SlotWait", "messaging_slot_wait_seconds", unit="Seconds"),
    CloudWatchMetric("MessagesProcessed", "messaging_settlements", counts=_ended_in("delete")),
    CloudWatchMetric(
        "MessagesFailed",
        "messaging_settlements",
        counts=_ended_in("retry", "dead_letter", "none"),
    ),
    CloudWatchMetric("DeadLettered", "messaging_settlements", counts=_ended_in("dead_letter")),
    CloudWatchMetric("BreakerOpen", "messaging_breaker_open"),
    CloudWatchMetric("Paused", "messaging_paused"),
)


class Telemetry:
    """The metrics of one worker, in a registry of its own.

    A metric without labels is an attribute; one with labels is a function of their values.
    """

    def __init__(
        self,
        queue: str,
        *,
        service: str = "",
        slots: int = 0,
        event_types: Collection[str] = (),
    ) -> None:
        """``slots`` is the number of handlers at a time, ``event_types`` those they handle."""
        self.queue = queue
        self._service = service
        self._event_types = frozenset(event_types)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._messages()
        self._leases()
        self._trouble()
        self._gauge("handler_slots", "Messages that can be handled at a time")().set(slots)
        self._start_at_zero()

    def _messages(self) -> None:
        self.consumed = self._counter("client_consumed_messages", "Messages received")()
        self._settlements = self._counter(
            "settlements", "Messages settled", "event_type", "settlement", "outcome"
        )
        self._process_duration = self._histogram(
            "process_duration_seconds", "Time in a handler", "event_type", "outcome"
        )
        self.operation_duration = self._histogram(
            "client_operation_duration_seconds",
            "Requests to the queue",
            "messaging_operation_name",
            "error_type",
        )
        self.queue_age = self._histogram(
            "queue_age_seconds",
            "From send to receive, first deliveries only",
            buckets=LONG_BUCKETS,
        )()
        self.critical_time = self._histogram(
            "critical_time_seconds",
            "From the event to the end of its handling",
            buckets=LONG_BUCKETS,
        )()
        self.slot_wait = self._histogram(
            "slot_wait_seconds", "From the receive to the start of the handler"
        )()
        self._bound = lru_cache(maxsize=1024)(self._bind)

    def _leases(self) -> None:
        self.in_flight = self._gauge("in_flight_messages", "Messages in this process")()
        self.permits_held = self._gauge(
            "permits_held", "Permits of received messages, those of open polls left out"
        )()
        self.lease_renewals = self._counter("lease_renewals", "Visibility extensions", "result")
        self.leases_lost = self._counter("leases_lost", "Leases lost", "reason")
        self.lease_lateness = self._gauge(
            "lease_lateness_seconds", "How late the last renewal tick was"
        )()
        self.redelivered_in_flight = self._counter(
            "redelivered_in_flight", "Messages delivered again while in this process"
        )()

    def _trouble(self) -> None:
        self._failed_attempts = self._counter(
            "failed_attempts",
            "Attempts that failed; failures of the environment are none",
            "event_type",
            "error_type",
            "outcome",
        )
        self.failures_not_recorded = self._counter(
            "failures_not_recorded", "Failed attempts without a record in the table"
        )()
        self.stalls = self._counter(
            "process_stalls", "Times that the process did not run for seconds"
        )()
        self.receive_errors = self._counter("receive_errors", "Failed polls", "error_type")
        self.settlement_failures = self._counter(
            "settlement_failures", "Settlements that SQS did not accept", "error_type"
        )
        self.handed_back = self._counter(
            "handed_back_messages", "Unstarted messages returned at stop"
        )()
        self.breaker_open = self._gauge(
            "breaker_open", "1 while a dependency pauses polling", "dependency"
        )
        self.paused = self._gauge("paused", "1 while an operator pauses the service")()
        self.scale_in_protected = self._gauge(
            "scale_in_protected", "1 while ECS must not stop this task"
        )()

    def _start_at_zero(self) -> None:
        """Give a sample to what alarms look at: a series that starts at 0 can be alarmed on."""
        for reason in LEASE_LOSSES:
            self.leases_lost(reason)
        for result in ("renewed", "failed"):
            self.lease_renewals(result)
        for dependency in DEPENDENCIES:
            self.breaker_open(dependency)
        for error_type in OUTAGES:
            self.receive_errors(error_type)
            self.settlement_failures(error_type)
        for event_type in (*self._event_types, UNKNOWN):
            for settlement, outcome in TROUBLE:
                self._settlements(event_type, settlement, outcome)

    def label_of(self, event_type: str) -> str:
        """Return a type for a label, also one that a stranger wrote: known, or ``UNKNOWN``."""
        return event_type if event_type in self._event_types else UNKNOWN

    def failed_attempt(self, event_type: str, error_type: str, outcome: str) -> None:
        """Count a failed attempt. ``event_type`` may be anything."""
        self._failed_attempts(self.label_of(event_type), error_type, outcome).inc()

    def settled(
        self, event_type: str, settlement: str, outcome: str, *, duration: float, critical: float
    ) -> None:
        """Record one settled message; times in seconds, ``critical`` negative if unknown."""
        count, observe_duration = self._bound(event_type, settlement, outcome)
        count()
        observe_duration(duration)
        if critical >= 0:
            self.critical_time.observe(critical)

    def _bind(
        self, event_type: str, settlement: str, outcome: str
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        return (
            self._settlements(event_type, settlement, outcome).inc,
            self._process_duration(event_type, outcome).observe,
        )

    def _counter(self, name: str, text: str, *labels: str) -> "partial[Counter]":
        metric = Counter(f"messaging_{name}", text, self._names(labels), registry=self.registry)
        return partial(metric.labels, self._service, self.queue)

    def _gauge(self, name: str, text: str, *labels: str) -> "partial[Gauge]":
        metric = Gauge(f"messaging_{name}", text, self._names(labels), registry=self.registry)
        return partial(metric.labels, self._service, self.queue)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = BUCKETS
    ) -> "partial[Histogram]":
        metric = Histogram(
            f"messaging_{name}",
            text,
            self._names(labels),
            registry=self.registry,
            buckets=buckets,
        )
        return partial(metric.labels, self._service, self.queue)

    @staticmethod
    def _names(labels: tuple[str, ...]) -> tuple[str, ...]:
        return ("service", "messaging_destination_name", *labels)


class MeasuredQueue:
    """A queue whose requests are timed."""

    def __init__(self, queue: Queue, telemetry: Telemetry) -> None:
        self._queue = queue
        self._durations = lru_cache(maxsize=256)(telemetry.operation_duration)
        self.name = queue.name
        self.visibility_timeout = queue.visibility_timeout

    def receive(self, limit: int, wait: float) -> Sequence[Message]:
        """As ``Queue.receive``."""
        with self._timed("receive"):
            return self._queue.receive(limit, wait)

    def delete(self, handles: Sequence[str]) -> Mapping[int, str]:
        """As ``Queue.delete``."""
        with self._timed("delete"):
            return self._queue.delete(handles)

    def change_visibility(self, changes: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """As ``Queue.change_visibility``."""
        with self._timed("change_visibility"):
            return self._queue.change_visibility(changes)

    def dead_letter(self, message: Message, failure: Failure) -> None:
        """As ``Queue.dead_letter``."""
        with self._timed("send"):
            self._queue.dead_letter(message, failure)

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        started = time.perf_counter()
        error_type = ""
        try:
            yield
        except Exception as error:
            error_type = name_of(error)
            raise
        finally:
            self._durations(operation, error_type).observe(time.perf_counter() - started)
