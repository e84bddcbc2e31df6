"""Publishes one shard of the outbox: holds its lease, publishes due rows, marks them.

It publishes before it marks. A crash in between publishes the same event id again, which
consumers recognize. The opposite order would lose the event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from workers.aws.outbox import Outbox, Row
from workers.aws.outbox_leases import LEASE, OutboxLeases, ShardLease
from workers.events import peek
from workers.limits import MAX_BATCH
from workers.relay.metrics import TOPIC, RelayMetrics
from workers.runtime.crash import crash_point
from workers.runtime.errors import Conflict, LeaseLost, PermanentError, Unavailable
from workers.runtime.ports import Topic

RENEW_AFTER: Final = timedelta(seconds=5)
MARGIN: Final = timedelta(seconds=5)  # lease time that a slow publish may take
GRACE: Final = timedelta(seconds=2)  # order-api usually publishes a row itself within this time
PAGE: Final = 100  # rows per query

log = structlog.get_logger()

# order-api may be marking the same row at this moment.
_retry_conflicts = retry(
    retry=retry_if_exception_type(Conflict),
    wait=wait_random(0, 0.05),
    stop=stop_after_attempt(8),
    reraise=True,
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The results of publishing a batch. Each event id is in exactly one of the fields."""

    accepted: list[str]
    refused: dict[str, str]  # event id -> reason
    waiting: dict[str, Unavailable]  # event id -> error; to be tried again


class Sweep:
    """Publishes one shard while it holds the lease. Used by one thread.

    Another thread may ``offer`` it a lease, and set ``leaving`` to stop it before the next batch.
    """

    def __init__(
        self,
        shard: int,
        outbox: Outbox,
        leases: OutboxLeases,
        topic: Topic,
        *,
        metrics: RelayMetrics,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        ordered: bool = False,
    ) -> None:
        """``ordered``: no event may overtake an earlier one of its group that has to wait."""
        self.shard = shard
        self._ordered = ordered
        self._outbox = outbox
        self._leases = leases
        self._topic = topic
        self._metrics = metrics
        self.dependencies = metrics.dependencies
        self._now = now
        self._clock = clock
        self._lease: ShardLease | None
        self._held_since = 0.0  # by our own clock, just before we requested the lease
        self.leaving = False  # asked to release the shard
        self._seen: dict[str, float] = {}  # event id -> time at which we first read the row
        self._keep(None)

    @property
    def holds(self) -> bool:
        """Whether it holds the lease, as far as it knows."""
        return self._lease is not None

    def offer(self, lease: ShardLease, requested_at: float) -> None:
        """Hand over a lease that was requested at ``requested_at``, by this sweep's clock."""
        self.leaving = False
        self._held_since = requested_at
        self._keep(lease)

    def run(self) -> int:
        """Publish up to ``PAGE`` due rows; return the number of due rows.

        Raises ``Unavailable`` if the table does not respond, or if the topic accepts no event of
        a batch for now.
        """
        due: list[Row] = []
        try:
            if self._usable() is None:
                return 0
            due = self._due(self._outbox.waiting(self.shard, PAGE))
            for start in range(0, len(due), MAX_BATCH):
                lease = self._usable()
                if lease is None:
                    break
                waits = self._publish(lease, due[start : start + MAX_BATCH])
                if waits and self._ordered:
                    break  # the next sweep begins with what waits
        except LeaseLost:
            log.warning("outbox.lease_lost", shard=self.shard)
            self._keep(None)
        except Conflict as error:
            # order-api or another relay marked a row meanwhile. The next sweep reads the rest.
            log.warning("outbox.conflict", shard=self.shard, reason=str(error))
        return len(due)

    def release(self) -> None:
        """Release the lease, if held."""
        lease, self.leaving = self._lease, False
        self._keep(None)
        if lease is not None:
            self._leases.release(lease)

    def _due(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows older than ``GRACE``; younger ones are left to order-api.

        A row is old by its own timestamp, or because we first read it long enough ago: our clock
        may be far behind the writer's.
        """
        now, before = self._clock(), self._now() - GRACE
        self._seen = {row.event_id: self._seen.get(row.event_id, now) for row in rows}
        grace = GRACE.total_seconds()
        return [r for r in rows if r.since < before or now - self._seen[r.event_id] >= grace]

    def _usable(self) -> ShardLease | None:
        """Return the lease, renewed if due; None if we lost it or too little time is left."""
        if self.leaving:
            return None
        if self._lease is not None and self._age() >= RENEW_AFTER.total_seconds():
            requested_at = self._clock()
            renewed = self._leases.renew(self._lease)
            self._held_since = requested_at
            self._keep(renewed)
        left = LEASE.total_seconds() - self._age()
        return self._lease if left >= MARGIN.total_seconds() else None

    def _age(self) -> float:
        return self._clock() - self._held_since

    def _keep(self, lease: ShardLease | None) -> None:
        self._lease = lease
        self._metrics.lease_held.labels(self.shard).set(lease is not None)

    def _publish(self, lease: ShardLease, rows: Sequence[Row]) -> bool:
        """Publish and mark rows; True if some of them have to wait."""
        readable = {row.event_id: row.event for row in rows if row.event is not None}
        crash_point("relay.read")
        errors = self._topic.publish(list(readable.values()))
        crash_point("relay.published")
        verdicts = judge(list(readable), errors)
        self._count(verdicts)
        if verdicts.accepted:
            self.dependencies.succeeded(TOPIC)
            _retry_conflicts(self._outbox.mark_published)(lease, verdicts.accepted)
            crash_point("relay.marked")
        unreadable = {row.event_id: row.problem for row in rows if row.event is None}
        for event_id, reason in (unreadable | verdicts.refused).items():
            event = readable.get(event_id)
            known = peek(event.body).fields() if event else {}
            fields = {"eventId": event_id} | known
            log.error("outbox.set_aside", shard=self.shard, reason=reason, **fields)
            _retry_conflicts(self._outbox.set_aside)(lease, event_id, reason)
        if verdicts.waiting and not verdicts.accepted:
            raise next(iter(verdicts.waiting.values()))
        return bool(verdicts.waiting)

    def _count(self, verdicts: Verdicts) -> None:
        self._metrics.published.labels("published").inc(len(verdicts.accepted))
        self._metrics.published.labels("refused").inc(len(verdicts.refused))
        self._metrics.published.labels("unavailable").inc(len(verdicts.waiting))


def judge(event_ids: Sequence[str], errors: Mapping[int, Exception]) -> Verdicts:
    """Sort the events of a batch by result.

    Raises any error other than ``PermanentError`` and ``Unavailable``.
    """
    verdicts = Verdicts([], {}, {})
    for position, event_id in enumerate(event_ids):
        match errors.get(position):
            case None:
                verdicts.accepted.append(event_id)
            case PermanentError() as error:
                verdicts.refused[event_id] = str(error)
            case Unavailable() as error:
                verdicts.waiting[event_id] = error
            case error:
                raise error
    return verdicts
