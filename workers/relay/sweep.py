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

from workers.aws.outbox import Lease, Outbox, Row
from workers.relay.metrics import RelayMetrics
from workers.runtime.errors import Conflict, LeaseLost, PermanentError, Unavailable
from workers.runtime.ports import Topic

LEASE: Final = timedelta(seconds=15)
RENEW_AFTER: Final = timedelta(seconds=5)
MARGIN: Final = timedelta(seconds=5)  # for a slow publish, and for clocks that disagree
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
    """Publishes one shard, as long as its lease allows."""

    def __init__(
        self,
        shard: int,
        outbox: Outbox,
        topic: Topic,
        *,
        owner: str,
        metrics: RelayMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self.shard = shard
        self._outbox = outbox
        self._topic = topic
        self._owner = owner
        self._metrics = metrics
        self._now = now
        self._lease: Lease | None = None

    def run(self) -> int:
        """Publish up to a page of what is due; return how many rows there were.

        Raises ``Unavailable`` if the table does not answer, or the topic takes nothing of a
        batch now.
        """
        if self._hold() is None:
            return 0
        rows = self._outbox.due(self.shard, self._now() - GRACE, PAGE)
        try:
            for start in range(0, len(rows), BATCH):
                lease = self._hold()
                if lease is None:
                    break
                self._publish(lease, rows[start : start + BATCH])
        except LeaseLost:
            log.warning("outbox.lease_lost", shard=self.shard)
            self._keep(None)
        except Conflict as error:
            # Somebody else marked a row meanwhile: the next sweep sees what is left.
            log.warning("outbox.conflict", shard=self.shard, reason=str(error))
        return len(rows)

    def release(self) -> None:
        """Give the lease up, if there is one."""
        lease = self._lease
        self._keep(None)
        if lease is not None:
            self._outbox.release(lease)

    def _hold(self) -> Lease | None:
        """Take or renew the lease; None if it is not ours, or ends too soon to publish."""
        now = self._now()
        if self._lease is None or self._lease.until - now <= LEASE - RENEW_AFTER:
            self._keep(self._outbox.acquire(self.shard, self._owner, now, LEASE.total_seconds()))
        lease = self._lease
        return lease if lease is not None and lease.until - self._now() >= MARGIN else None

    def _keep(self, lease: Lease | None) -> None:
        self._lease = lease
        self._metrics.lease_held.labels(self.shard).set(lease is not None)

    def _publish(self, lease: Lease, rows: Sequence[Row]) -> None:
        readable = {row.event_id: row.event for row in rows if row.event is not None}
        errors = self._topic.publish(list(readable.values()))
        verdicts = judge(list(readable), errors)
        self._count(verdicts)
        if verdicts.accepted:
            _over_again(self._outbox.mark_published)(lease, verdicts.accepted)
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
