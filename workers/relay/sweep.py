"""One shard of the outbox: hold its lease, publish what is due, mark it.

Publish first, then mark: a crash in between publishes again under the same event id, which
consumers recognise; the other way round it would lose the event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from workers.aws.outbox import Outbox, Row
from workers.aws.outbox_leases import LEASE, OutboxLeases, ShardLease
from workers.relay.metrics import RelayMetrics
from workers.runtime.crash import crash_point
from workers.runtime.errors import Conflict, LeaseLost, PermanentError, Unavailable
from workers.runtime.ports import Topic

RENEW_AFTER: Final = timedelta(seconds=5)
MARGIN: Final = timedelta(seconds=5)  # for a slow publish
GRACE: Final = timedelta(seconds=2)  # order-api publishes by itself within this time
PAGE: Final = 100  # rows read at a time
# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
BATCH: Final = 10

log = structlog.get_logger()

# order-api may be marking the very row at this moment.
_over_again = retry(
    retry=retry_if_exception_type(Conflict),
    wait=wait_random(0, 0.05),
    stop=stop_after_attempt(8),
    reraise=True,
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the topic said about a batch; each event id is in one of them."""

    accepted: list[str]
    refused: dict[str, str]  # event id -> reason
    waiting: dict[str, Unavailable]


class Sweep:
    """Publishes one shard, as long as its lease allows. For one thread.

    Another one may ``offer`` it a lease, and set ``leaving`` to have no other batch published.
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
    ) -> None:
        self.shard = shard
        self._outbox = outbox
        self._leases = leases
        self._topic = topic
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._lease: ShardLease | None
        self._held_since = 0.0  # by our own clock, before we asked for the lease
        self.leaving = False  # asked to release the shard
        self._seen: dict[str, float] = {}  # event id -> when we first saw it wait
        self._keep(None)

    @property
    def holds(self) -> bool:
        """Whether it has the lease, as far as it knows."""
        return self._lease is not None

    def offer(self, lease: ShardLease, asked_at: float) -> None:
        """Let it publish under a lease that was asked for at ``asked_at``, by its clock."""
        self.leaving = False
        self._held_since = asked_at
        self._keep(lease)

    def run(self) -> int:
        """Publish up to a page of what is due; return how many rows there were.

        Raises ``Unavailable`` if the table does not answer, or the topic takes nothing of a
        batch now.
        """
        due: list[Row] = []
        try:
            if self._usable() is None:
                return 0
            due = self._due(self._outbox.waiting(self.shard, PAGE))
            for start in range(0, len(due), BATCH):
                lease = self._usable()
                if lease is None:
                    break
                self._publish(lease, due[start : start + BATCH])
        except LeaseLost:
            log.warning("outbox.lease_lost", shard=self.shard)
            self._keep(None)
        except Conflict as error:
            # Somebody else marked a row meanwhile: the next sweep sees what is left.
            log.warning("outbox.conflict", shard=self.shard, reason=str(error))
        return len(due)

    def release(self) -> None:
        """Give the lease up, if there is one."""
        lease, self.leaving = self._lease, False
        self._keep(None)
        if lease is not None:
            self._leases.release(lease)

    def _due(self, rows: Sequence[Row]) -> list[Row]:
        """Leave young rows to order-api.

        A row is old by its own date, or because we have watched it wait: our clock may be far
        behind that of who wrote it.
        """
        now, before = self._clock(), self._now() - GRACE
        self._seen = {row.event_id: self._seen.get(row.event_id, now) for row in rows}
        patience = GRACE.total_seconds()
        return [r for r in rows if r.since < before or now - self._seen[r.event_id] >= patience]

    def _usable(self) -> ShardLease | None:
        """Renew the lease if it is time to; None if it is not ours, or ends too soon to publish."""
        if self.leaving:
            return None
        if self._lease is not None and self._age() >= RENEW_AFTER.total_seconds():
            asked_at = self._clock()
            renewed = self._leases.renew(self._lease)
            self._held_since = asked_at
            self._keep(renewed)
        left = LEASE.total_seconds() - self._age()
        return self._lease if left >= MARGIN.total_seconds() else None

    def _age(self) -> float:
        return self._clock() - self._held_since

    def _keep(self, lease: ShardLease | None) -> None:
        self._lease = lease
        self._metrics.lease_held.labels(self.shard).set(lease is not None)

    def _publish(self, lease: ShardLease, rows: Sequence[Row]) -> None:
        readable = {row.event_id: row.event for row in rows if row.event is not None}
        crash_point("relay.read")
        errors = self._topic.publish(list(readable.values()))
        crash_point("relay.published")
        verdicts = judge(list(readable), errors)
        self._count(verdicts)
        if verdicts.accepted:
            _over_again(self._outbox.mark_published)(lease, verdicts.accepted)
            crash_point("relay.marked")
        unreadable = {row.event_id: row.problem for row in rows if row.event is None}
        for event_id, reason in (unreadable | verdicts.refused).items():
            log.error("outbox.set_aside", shard=self.shard, eventId=event_id, reason=reason)
            _over_again(self._outbox.set_aside)(lease, event_id, reason)
        if verdicts.waiting and not verdicts.accepted:
            raise next(iter(verdicts.waiting.values()))

    def _count(self, verdicts: Verdicts) -> None:
        self._metrics.published.labels("published").inc(len(verdicts.accepted))
        self._metrics.published.labels("refused").inc(len(verdicts.refused))
        self._metrics.published.labels("unavailable").inc(len(verdicts.waiting))


def judge(event_ids: Sequence[str], errors: Mapping[int, Exception]) -> Verdicts:
    """Sort a batch by what the topic said; an error that is not ``PermanentError`` passes."""
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
