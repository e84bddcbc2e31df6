"""The relay's side of a FakeStore."""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fakes.faults import Faults
from workers.aws.outbox import Lease, Row
from workers.runtime.errors import Conflict, LeaseLost

UNREADABLE = "unreadable: the body is not JSON"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Held:
    owner: str = ""
    fence: int = 0
    until: datetime = LONG_AGO


class FakeOutbox(Faults):
    """As ``workers.aws.outbox.Outbox``; what was marked is in ``published`` and ``stuck``."""

    SHARDS = 4

    def __init__(self, store):
        super().__init__()
        self.published = []  # event ids
        self.stuck = {}  # event id -> reason
        self._waiting = store.waiting
        self._index = store.waiting  # what ``due`` and ``oldest`` see
        self._lock = store.lock
        self._held = [Held() for _ in range(self.SHARDS)]

    @contextmanager
    def stale_index(self):
        """Until the block ends, the index shows what waits now, whatever happens to it.

        A global secondary index follows its table a moment later:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        """
        self._index = dict(self._waiting)
        try:
            yield
        finally:
            self._index = self._waiting

    def acquire(self, shard, owner, now, seconds):
        with self._call("acquire"):
            held = self._held[shard]
            if held.until >= now and held.owner not in ("", owner):
                return None
            until = now + timedelta(seconds=seconds)
            self._held[shard] = Held(owner, held.fence + 1, until)
            return Lease(shard, owner, held.fence + 1, until)

    def release(self, lease):
        with self._call("release"):
            if self._is_held(lease):
                self._held[lease.shard].until = LONG_AGO

    def due(self, shard, before, limit):
        with self._call("due"):
            ready = sorted(
                (row.since, event_id)
                for event_id, row in self._index.items()
                if row.shard == shard and row.since < before
            )
            return [_row(event_id, self._index[event_id]) for _, event_id in ready[:limit]]

    def mark_published(self, lease, event_ids):
        with self._call("mark_published"):
            self._check(lease)
            self._mark(event_ids)

    def mark_published_direct(self, event_ids):
        with self._call("mark_published_direct"):
            self._mark(event_ids)

    def set_aside(self, lease, event_id, reason):
        with self._call("set_aside"):
            self._check(lease)
            if self._waiting.pop(event_id, None) is None:
                raise Conflict(f"{event_id} waits no more")
            self.stuck[event_id] = reason

    def stuck_count(self):
        with self._call("stuck_count"):
            return len(self.stuck)

    def oldest(self, shard):
        with self._call("oldest"):
            times = [row.since for row in self._index.values() if row.shard == shard]
            return min(times, default=None)

    def _mark(self, event_ids):
        for event_id in event_ids:
            self._waiting.pop(event_id, None)
            self.published.append(event_id)

    def _check(self, lease):
        if not self._is_held(lease):
            raise LeaseLost(f"another relay has shard {lease.shard}")

    def _is_held(self, lease):
        held = self._held[lease.shard]
        return (held.owner, held.fence) == (lease.owner, lease.fence)


def _row(event_id, waiting):
    return Row(event_id, waiting.event, "" if waiting.event else UNREADABLE)
