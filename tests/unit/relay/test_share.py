"""Relays share the work fairly, whoever joins, leaves, dies, freezes, or has a wrong clock."""

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

    assert fleet.waiting == 0
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
    before = {shard: held.owner for shard, held in fleet.leases.rows.items()}

    fleet.run(600)

    assert {s: held.owner for s, held in fleet.leases.rows.items()} == before
    assert fleet.leases.calls["release"] <= SHARDS


@pytest.mark.parametrize("end", [Fleet.kill, Fleet.leave])
def test_the_shards_of_one_that_ends_are_taken_over(fleet, end):
    for name in "ABCD":
        fleet.join(name)
    fleet.run(SETTLED)

    for name, shares in (("A", [2, 1, 1]), ("C", [2, 2]), ("D", [4])):
        end(fleet, name)
        fleet.run(SETTLED)
        assert fleet.shares == shares
    assert fleet.leases.beats.keys() == {"B"}


def test_clocks_minutes_apart_change_nothing(fleet):
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


def test_one_that_was_frozen_past_its_lease_does_no_harm_and_gets_a_share_again(fleet):
    fleet.join("A")
    fleet.join("B")
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


def test_where_one_cannot_publish_others_do(fleet):
    fleet.join("A")
    fleet.join("B")
    fleet.run(SETTLED)
    fleet.topic.unreachable.add("A")

    fleet.commit(40)
    fleet.run(16)
    assert fleet.leases.beats.keys() == {"B"}  # long before anybody would miss it

    for _ in range(10):
        fleet.commit(40)
        fleet.run(SETTLED)

    assert fleet.waiting < 40
    fleet.topic.unreachable.clear()
    fleet.run(2 * SETTLED)
    assert (fleet.shares, fleet.waiting) == ([2, 2], 0)


def test_while_nobody_can_publish_somebody_goes_on_trying(fleet):
    for name in "ABC":
        fleet.join(name)
    fleet.topic.unreachable |= set("ABC")
    fleet.commit(40)
    fleet.run(600)
    assert fleet.waiting == 40

    fleet.topic.unreachable.clear()
    fleet.run(60)

    assert (fleet.shares, fleet.waiting) == ([2, 1, 1], 0)


def test_a_table_that_does_not_answer_for_a_while_costs_nobody_a_shard(fleet):
    for name in "AB":
        fleet.join(name)
    fleet.run(SETTLED)
    outage = Unavailable("timeout", dependency="dynamodb")
    for call in ("beat", "renew", "look"):
        fleet.leases.fail_next(call, outage, times=4)
    fleet.run(60)

    assert fleet.shares == [2, 2]


def test_relays_of_the_version_before_have_no_heartbeat_and_keep_what_they_have(fleet):
    rows = fleet.leases.rows
    rows |= {0: Held("old", 7), 1: Held("old", 7)}
    fleet.join("new")

    for fence in range(8, 20):
        rows |= {0: Held("old", fence), 1: Held("old", fence)}
        fleet.run(10)
    assert [rows[shard].owner for shard in range(SHARDS)] == ["old", "old", "new", "new"]

    fleet.run(SETTLED)
    assert fleet.shares == [4]


def test_a_new_version_does_not_wait_for_the_shards_that_the_one_before_gave_up(fleet):
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
