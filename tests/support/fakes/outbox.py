"""The outbox of a ``FakeStore``, as the relay sees it."""

from contextlib import contextmanager
from dataclasses import replace

from support.fakes.faults import Faults
from workers.aws.outbox import Row
from workers.aws.outbox_leases import Held, ShardLease
from workers.aws.outbox_rows import SHARDS
from workers.runtime.errors import Conflict, LeaseLost

UNREADABLE = "unreadable: the body is not JSON"


class FakeLeases(Faults):
    """Behaves like ``workers.aws.outbox_leases.OutboxLeases``."""

    def __init__(self):
        super().__init__()
        self.beats = {}
        self.rows = dict.fromkeys(range(SHARDS))  # shard -> Held

    def beat(self, owner):
        with self._call("beat"):
            self.beats[owner] = self.beats.get(owner, 0) + 1
            return dict(self.beats)

    def forget(self, owner, beats):
        with self._call("forget"):
            if self.beats.get(owner) == beats:
                del self.beats[owner]

    def look(self, shard):
        with self._call("look"):
            return self.rows[shard]

    def take(self, shard, owner, seen):
        with self._call("take"):
            row = self.rows[shard]
            if (row and row.fence) != (seen and seen.fence):
                return None
            return self._give(shard, owner)

    def renew(self, lease):
        with self._call("renew"):
            if self.rows[lease.shard].owner != lease.owner:
                return None
            return self._give(lease.shard, lease.owner)

    def release(self, lease):
        with self._call("release"):
            if self.stands(lease):
                self.rows[lease.shard] = replace(self.rows[lease.shard], given_up=True)

    def stands(self, lease):
        row = self.rows[lease.shard]
        return (row.owner, row.fence) == (lease.owner, lease.fence)

    def _give(self, shard, owner):
        fence = self.rows[shard].fence + 1 if self.rows[shard] else 1
        self.rows[shard] = Held(owner, fence)
        return ShardLease(shard, owner, fence)


class FakeOutbox(Faults):
    """Behaves like ``workers.aws.outbox.Outbox``; marked rows: ``published`` and ``stuck``."""

    SHARDS = SHARDS

    def __init__(self, store, leases=None):
        super().__init__()
        self.published = []  # event ids
        self.stuck = {}  # event id -> reason
        self.leases = leases or FakeLeases()
        self._waiting = store.waiting
        self._index = store.waiting  # the rows that ``waiting`` and ``oldest`` read
        self._lock = store.lock

    @contextmanager
    def stale_index(self):
        """Freeze the index until the end of the block, whatever happens to the rows.

        A global secondary index follows its table a moment later:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
        """
        self._index = dict(self._waiting)
        try:
            yield
        finally:
            self._index = self._waiting

    def waiting(self, shard, limit):
        with self._call("waiting"):
            rows = sorted(
                (row.since, event_id) for event_id, row in self._index.items() if row.shard == shard
            )
            return [_row(event_id, self._index[event_id]) for _, event_id in rows[:limit]]

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
        if not self.leases.stands(lease):
            raise LeaseLost(f"another relay has shard {lease.shard}")


def _row(event_id, waiting):
    problem = "" if waiting.event else UNREADABLE
    return Row(event_id, waiting.since, waiting.event, problem)
