"""Relays share the work fairly, whoever joins, leaves, dies, freezes, or has a wrong clock."""

import heapq
from collections import Counter
from datetime import timedelta
from itertools import count

import pytest
from builders import encoded
from fakes import FakeClock, FakeOutbox, FakeStore, FakeTopic
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from workers.aws.outbox_leases import Held
from workers.relay import Relay, RelayMetrics
from workers.relay.share import LOOK_EVERY, View
from workers.runtime.errors import Unavailable

SHARDS = 4
SETTLED = 30  # s within which everybody has a fair share


class CountingTopic(FakeTopic):
    """Notes who published, and may be out of reach for somebody."""

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
    """Relays whose threads are taken step by step, each when it is its time on a virtual clock.

    No two relays agree on the time of day, nor on where their own clocks start.
    """

    def __init__(self):
        self.clock = FakeClock()
        self.store = FakeStore(outbox=True, clock=self.clock)
        self.outbox = FakeOutbox(self.store)
        self.topic = CountingTopic()
        self.relays = {}
        self.frozen = set()
        self._numbers = count()
        self._agenda = []

    def join(self, owner, *, skew=0):
        number = next(self._numbers)
        relay = Relay(
            self.outbox,
            self.outbox.leases,
            self.topic.of(owner),
            owner=owner,
            metrics=RelayMetrics(CollectorRegistry()),
            now=lambda: self.clock.now() + timedelta(seconds=skew),
            clock=lambda: self.clock() + 1000 * number,
        )
        self.relays[owner] = relay
        for step in (relay.step, *(turns.step for turns in relay.turns)):
            self._plan(0, relay, owner, step)

    def kill(self, owner):
        del self.relays[owner]

    def leave(self, owner):
        relay = self.relays.pop(owner)
        for turns in relay.turns:
            turns.sweep.release()
        relay._share.leave()  # noqa: SLF001 - as run() does at its end

    def commit(self, events):
        for _ in range(events):
            event_id = f"event-{len(self.store.records)}"
            event = encoded(event_id=event_id, correlation_id=event_id)
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
    def shares(self):
        """How many shards each relay has, by what the table says and by what they think."""
        rows = self.outbox.leases.rows.values()
        by_table = Counter(held.owner for held in rows if held and not held.given_up)
        for owner, relay in self.relays.items():
            assert sum(turns.sweep.holds for turns in relay.turns) == by_table[owner]
        return sorted((by_table[owner] for owner in self.relays), reverse=True)


@pytest.fixture
def fleet():
    return Fleet()


@pytest.mark.parametrize(
    ("relays", "shares"),
    [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1]), (6, [1, 1, 1, 1, 0, 0])],
)
def test_relays_that_start_together_share_fairly(fleet, relays, shares):
    for number in range(relays):
        fleet.join(f"relay-{number}")
    fleet.run(SETTLED)

    assert fleet.shares == shares


def test_a_backlog_is_published_by_all_of_them(fleet):
    for name in "ABCD":
        fleet.join(name)
    fleet.run(SETTLED)
    fleet.commit(800)
    fleet.run(60)

    assert not fleet.store.waiting
    assert all(100 < fleet.topic.by[name] < 300 for name in "ABCD")
    assert sum(fleet.topic.by.values()) == 800


def test_one_that_joins_gets_its_share(fleet):
    fleet.join("A")
    fleet.run(100)
    assert fleet.shares == [4]

    for name, shares in (("B", [2, 2]), ("C", [2, 1, 1]), ("D", [1, 1, 1, 1])):
        fleet.join(name)
        fleet.run(SETTLED)
        assert fleet.shares == shares


def test_what_is_shared_fairly_stays_where_it_is(fleet):
    for name in "ABC":
        fleet.join(name)
    fleet.run(SETTLED)
    before = {shard: held.owner for shard, held in fleet.outbox.leases.rows.items()}

    fleet.run(600)

    assert {s: held.owner for s, held in fleet.outbox.leases.rows.items()} == before
    assert fleet.outbox.leases.calls["release"] <= SHARDS


@pytest.mark.parametrize("end", [Fleet.kill, Fleet.leave])
def test_the_shards_of_one_that_ends_are_taken_over(fleet, end):
    for name in "ABCD":
        fleet.join(name)
    fleet.run(SETTLED)

    for name, shares in (("A", [2, 1, 1]), ("C", [2, 2]), ("D", [4])):
        end(fleet, name)
        fleet.run(SETTLED)
        assert fleet.shares == shares
    assert fleet.outbox.leases.beats.keys() == {"B"}


def test_clocks_minutes_apart_change_nothing(fleet):
    fleet.join("slow", skew=-600)
    fleet.join("fast", skew=600)
    fleet.run(SETTLED)
    assert fleet.shares == [2, 2]
    fleet.commit(40)
    fleet.run(15)
    assert not fleet.store.waiting

    releases = fleet.outbox.leases.calls["take"]
    fleet.run(600)
    assert fleet.outbox.leases.calls["take"] == releases


def test_one_that_was_frozen_past_its_lease_does_no_harm_and_gets_a_share_again(fleet):
    fleet.join("A")
    fleet.join("B")
    fleet.run(SETTLED)
    fleet.frozen.add("A")
    fleet.commit(40)
    fleet.run(SETTLED)
    assert not fleet.store.waiting
    assert {held.owner for held in fleet.outbox.leases.rows.values()} == {"B"}

    fleet.frozen.clear()
    fleet.commit(40)
    fleet.run(SETTLED)

    assert fleet.shares == [2, 2]
    assert not fleet.store.waiting
    assert sorted(fleet.outbox.published) == sorted(fleet.store.records)


def test_where_one_cannot_publish_others_do(fleet):
    fleet.join("A")
    fleet.join("B")
    fleet.run(SETTLED)
    fleet.topic.unreachable.add("A")

    fleet.commit(40)
    fleet.run(180)

    assert not fleet.store.waiting


def test_a_table_that_does_not_answer_for_a_while_costs_nobody_a_shard(fleet):
    for name in "AB":
        fleet.join(name)
    fleet.run(SETTLED)
    outage = Unavailable("timeout", dependency="dynamodb")
    for call in ("beat", "renew", "look"):
        fleet.outbox.leases.fail_next(call, outage, times=4)
    fleet.run(60)

    assert fleet.shares == [2, 2]


def test_relays_of_the_version_before_have_no_heartbeat_and_keep_what_they_have(fleet):
    rows = fleet.outbox.leases.rows
    rows |= {0: Held("old", 7), 1: Held("old", 7)}
    fleet.join("new")

    for fence in range(8, 20):
        rows |= {0: Held("old", fence), 1: Held("old", fence)}
        fleet.run(10)
    assert [rows[shard].owner for shard in range(SHARDS)] == ["old", "old", "new", "new"]

    fleet.run(SETTLED)
    assert fleet.shares == [4]


def test_a_new_version_does_not_wait_for_the_shards_that_the_one_before_gave_up(fleet):
    rows = fleet.outbox.leases.rows
    rows |= {shard: Held("old", 7, given_up=True) for shard in range(SHARDS)}

    fleet.join("new")
    fleet.run(1)

    assert fleet.shares == [4]


owners = st.sampled_from("ABCDEFG")


@given(
    relays=st.frozensets(owners, max_size=7),
    rows=st.lists(st.none() | owners.map(lambda owner: Held(owner, 1)), min_size=4, max_size=16),
    data=st.data(),
)
@settings(deadline=None)
def test_fair_shares_add_up_and_differ_by_one_at_most(relays, rows, data):
    shards = dict(enumerate(rows))
    free = data.draw(st.frozensets(st.sampled_from(sorted(shards))))
    free |= {shard for shard, held in shards.items() if held is None}
    view = View(relays, shards, free)
    alive = relays | {held.owner for shard, held in shards.items() if shard not in free}

    shares = {owner: view.fair_share(owner) for owner in alive}

    if alive:
        assert sum(shares.values()) == len(shards)
        assert max(shares.values()) - min(shares.values()) <= 1
