"""Relays share the shards fairly while some join, leave, die, freeze or have a wrong clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import FakeClock, FakeOutbox, FakeStore
from support.fleet import SETTLED, Fleet

from workers.aws.outbox_leases import Held
from workers.aws.outbox_rows import SHARDS
from workers.relay.share import View
from workers.runtime.errors import Unavailable


@pytest.fixture
def fleet():
    store = FakeStore(outbox=True, clock=FakeClock())
    outbox = FakeOutbox(store)
    return Fleet(store, outbox, outbox.leases, store.clock)


@pytest.mark.parametrize(
    ("relays", "shares"),
    [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1]), (6, [1, 1, 1, 1, 0, 0])],
)
def test_relays_that_start_together_share_fairly(fleet, relays, shares):
    fleet.join(*(f"relay-{number}" for number in range(relays)))
    fleet.run(SETTLED)

    assert fleet.shares == shares


def test_all_relays_publish_a_backlog(fleet):
    fleet.join(*"ABCD")
    fleet.run(SETTLED)
    fleet.commit(800)
    fleet.run(60)

    assert fleet.waiting == 0
    assert all(100 < fleet.topic.by[name] < 300 for name in "ABCD")
    assert sum(fleet.topic.by.values()) == 800


def test_a_relay_that_joins_gets_its_share(fleet):
    fleet.join("A")
    fleet.run(100)
    assert fleet.shares == [4]

    for name, shares in (("B", [2, 2]), ("C", [2, 1, 1]), ("D", [1, 1, 1, 1])):
        fleet.join(name)
        fleet.run(SETTLED)
        assert fleet.shares == shares


def test_fair_shares_do_not_move(fleet):
    fleet.join(*"ABC")
    fleet.run(SETTLED)
    before = {shard: held.owner for shard, held in fleet.leases.rows.items()}

    fleet.run(600)

    assert {s: held.owner for s, held in fleet.leases.rows.items()} == before
    assert fleet.leases.calls["release"] <= SHARDS


@pytest.mark.parametrize("end", [Fleet.kill, Fleet.leave])
def test_the_shards_of_a_relay_that_ends_are_taken_over(fleet, end):
    fleet.join(*"ABCD")
    fleet.run(SETTLED)

    for name, shares in (("A", [2, 1, 1]), ("C", [2, 2]), ("D", [4])):
        end(fleet, name)
        fleet.run(SETTLED)
        assert fleet.shares == shares
    assert fleet.leases.beats.keys() == {"B"}


def test_clocks_that_differ_by_minutes_change_nothing(fleet):
    fleet.join("slow", skew=-600)
    fleet.join("fast", skew=600)
    fleet.run(SETTLED)
    assert fleet.shares == [2, 2]
    fleet.commit(40)
    fleet.run(15)
    assert fleet.waiting == 0

    releases = fleet.leases.calls["take"]
    fleet.run(600)
    assert fleet.leases.calls["take"] == releases


def test_a_relay_frozen_past_its_lease_does_no_harm_and_gets_a_share_again(fleet):
    fleet.join("A", "B")
    fleet.run(SETTLED)
    fleet.frozen.add("A")
    fleet.commit(40)
    fleet.run(SETTLED)
    assert fleet.waiting == 0
    assert {held.owner for held in fleet.leases.rows.values()} == {"B"}

    fleet.frozen.clear()
    fleet.commit(40)
    fleet.run(SETTLED)

    assert fleet.shares == [2, 2]
    assert fleet.waiting == 0
    assert sorted(fleet.outbox.published) == sorted(fleet.store.records)


def test_when_a_relay_cannot_publish_the_others_do(fleet):
    fleet.join("A", "B")
    fleet.run(SETTLED)
    fleet.topic.unreachable.add("A")

    fleet.commit(40)
    fleet.run(16)
    assert fleet.leases.beats.keys() == {"B"}  # long before its heartbeat would expire

    for _ in range(10):
        fleet.commit(40)
        fleet.run(SETTLED)

    assert fleet.waiting < 40
    fleet.topic.unreachable.clear()
    fleet.run(2 * SETTLED)
    assert (fleet.shares, fleet.waiting) == ([2, 2], 0)


def test_while_no_relay_can_publish_some_keep_trying(fleet):
    fleet.join(*"ABC")
    fleet.topic.unreachable |= set("ABC")
    fleet.commit(40)
    fleet.run(600)
    assert fleet.waiting == 40

    fleet.topic.unreachable.clear()
    fleet.run(60)

    assert (fleet.shares, fleet.waiting) == ([2, 1, 1], 0)


def test_a_short_outage_of_the_table_costs_no_relay_a_shard(fleet):
    fleet.join(*"AB")
    fleet.run(SETTLED)
    outage = Unavailable("timeout", dependency="dynamodb")
    for call in ("beat", "renew", "look"):
        fleet.leases.fail_next(call, outage, times=4)
    fleet.run(60)

    assert fleet.shares == [2, 2]


def test_relays_of_the_previous_version_without_heartbeats_keep_their_shards(fleet):
    rows = fleet.leases.rows
    rows |= {0: Held("old", 7), 1: Held("old", 7)}
    fleet.join("new")

    for fence in range(8, 20):
        rows |= {0: Held("old", fence), 1: Held("old", fence)}
        fleet.run(10)
    assert [rows[shard].owner for shard in range(SHARDS)] == ["old", "old", "new", "new"]

    fleet.run(SETTLED)
    assert fleet.shares == [4]


def test_a_new_version_takes_released_shards_at_once(fleet):
    rows = fleet.leases.rows
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
