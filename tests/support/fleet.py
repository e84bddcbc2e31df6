"""Runs several relays on one outbox, without threads, on a virtual clock."""

import heapq
from collections import Counter
from datetime import timedelta
from itertools import count

from prometheus_client import CollectorRegistry

from support.builders import an_order, encoded
from support.fakes import FakeTopic
from workers.relay import Relay, RelayMetrics
from workers.relay.share import LOOK_EVERY
from workers.runtime.errors import Unavailable

SETTLED = 30  # s within which every relay has a fair share


class CountingTopic(FakeTopic):
    """Counts the events of each publisher, and can be unreachable for some."""

    def __init__(self):
        super().__init__()
        self.by = Counter()
        self.unreachable = set()

    def of(self, owner):
        topic = self

        class Own:
            def publish(self, events):
                if owner in topic.unreachable:
                    return dict.fromkeys(range(len(events)), Unavailable("no", dependency="sns"))
                topic.by[owner] += len(events)
                return topic.publish(events)

        return Own()


class Fleet:
    """Runs the loops of relays step by step, each when it is due on a virtual clock.

    Relays may differ in the time of day, and their monotonic clocks start at different values.
    """

    def __init__(self, store, outbox, leases, clock):
        self.clock = clock
        self.store = store
        self.outbox = outbox
        self.leases = leases
        self.topic = CountingTopic()
        self.committed = []
        self.relays = {}
        self.frozen = set()
        self._numbers = count()
        self._agenda = []

    def join(self, *owners, skew=0):
        """Add relays whose time of day is off by ``skew`` seconds."""
        for owner in owners:
            self._add(owner, skew)

    def _add(self, owner, skew):
        number = next(self._numbers)
        relay = Relay(
            self.outbox,
            self.leases,
            self.topic.of(owner),
            owner=owner,
            metrics=RelayMetrics(CollectorRegistry()),
            now=lambda: self.clock.now() + timedelta(seconds=skew),
            clock=lambda: self.clock() + 1000 * number,
        )
        self.relays[owner] = relay
        for step in (relay.step, *(turns.step for turns in relay.shard_loops)):
            self._plan(0, relay, owner, step)

    def kill(self, owner):
        del self.relays[owner]

    def leave(self, owner):
        relay = self.relays.pop(owner)
        for turns in relay.shard_loops:
            turns.sweep.release()
        relay._share.leave()  # noqa: SLF001 - as run() does at its end

    def commit(self, events):
        for _ in range(events):
            event_id = f"event-{len(self.committed)}"
            self.committed.append(event_id)
            order = an_order(order_id=event_id)
            event = encoded(order, event_id=event_id, correlation_id=event_id)
            self.store.commit(self.store.begin(event_id), [event])

    def run(self, seconds):
        """Let time pass."""
        end = self.clock() + seconds
        while self._agenda and self._agenda[0][0] <= end:
            at, _, relay, owner, step = heapq.heappop(self._agenda)
            self.clock.advance(max(0, at - self.clock()))
            if self.relays.get(owner) is not relay:
                continue
            pause = 0.1 if owner in self.frozen else step()
            self._plan(LOOK_EVERY if pause is None else max(pause, 0.01), relay, owner, step)
        self.clock.advance(end - self.clock())

    def _plan(self, pause, relay, owner, step):
        entry = (self.clock() + pause, next(self._numbers), relay, owner, step)
        heapq.heappush(self._agenda, entry)

    @property
    def waiting(self):
        """Count the events still to be published, among the first hundred of each shard."""
        return sum(len(self.outbox.waiting(s, 100)) for s in range(self.outbox.SHARDS))

    @property
    def shares(self):
        """Count the shards of each relay; table and relay must agree."""
        rows = [self.leases.look(shard) for shard in range(self.outbox.SHARDS)]
        by_table = Counter(held.owner for held in rows if held and not held.given_up)
        for owner, relay in self.relays.items():
            assert sum(turns.sweep.holds for turns in relay.shard_loops) == by_table[owner]
        return sorted((by_table[owner] for owner in self.relays), reverse=True)
