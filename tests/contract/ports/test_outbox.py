"""What the relay relies on."""

from datetime import timedelta

import pytest
from builders import NOON, an_order, encoded

from workers.runtime.errors import Conflict, LeaseLost

FAR = timedelta(days=3650)
LATER = NOON + timedelta(hours=1)


def place(orders, *numbers):
    """Commit orders, each with its event; a higher number was committed later."""
    for number in numbers:
        orders.clock.set(NOON + timedelta(seconds=number))
        orders.store.commit(orders.store.begin(f"api#{number}"), (event(number),))


def event(number):
    return encoded(
        an_order(order_id=f"order-{number}"),
        event_id=f"event-{number}",
        correlation_id=f"event-{number}",
    )


def shards(orders):
    return range(orders.outbox.SHARDS)


def waiting(orders, before=LATER):
    """Give the ids of all that wait, by shard."""
    return {s: [row.event_id for row in orders.outbox.due(s, before, 100)] for s in shards(orders)}


def all_waiting(orders, before=LATER):
    return sorted(event_id for ids in waiting(orders, before).values() for event_id in ids)


def busiest(orders):
    rows = waiting(orders)
    return max(rows, key=lambda shard: len(rows[shard]))


def take(orders, shard, owner="relay-1", now=NOON, seconds=15):
    return orders.outbox.acquire(shard, owner, now, seconds)


def test_an_outcome_waits_as_soon_as_it_is_committed(orders):
    place(orders, 1)

    (row,) = (row for s in shards(orders) for row in orders.outbox.due(s, LATER, 10))

    assert (row.event_id, row.event, row.problem) == ("event-1", event(1), "")


def test_a_repeat_does_not_wait_twice(orders):
    place(orders, 1)
    place(orders, 1)

    assert all_waiting(orders) == ["event-1"]


def test_orders_spread_over_the_shards(orders):
    place(orders, *range(40))

    assert all(len(ids) >= 2 for ids in waiting(orders).values())


def test_events_of_one_story_share_a_shard(orders):
    story = [encoded(event_id=f"event-{n}", correlation_id="event-0") for n in range(20)]
    orders.store.commit(orders.store.begin("api#1"), story)

    assert sorted(len(ids) for ids in waiting(orders, NOON + FAR).values()) == [0, 0, 0, 20]


def test_rows_come_oldest_first_and_no_more_than_asked_for(orders):
    place(orders, *range(20, 0, -1))
    shard = busiest(orders)
    everything = [row.event_id for row in orders.outbox.due(shard, LATER, 100)]

    assert everything == sorted(everything, key=_number)
    assert [row.event_id for row in orders.outbox.due(shard, LATER, 2)] == everything[:2]
    assert orders.outbox.oldest(shard) == NOON + timedelta(seconds=_number(everything[0]))


def _number(event_id):
    return int(event_id.removeprefix("event-"))


def test_an_empty_shard_has_no_oldest(orders):
    assert [orders.outbox.oldest(shard) for shard in shards(orders)] == [None] * 4


def test_rows_too_young_are_left_to_whoever_committed_them(orders):
    place(orders, 1, 2, 3)

    assert all_waiting(orders, before=NOON + timedelta(seconds=3)) == ["event-1", "event-2"]


def test_a_body_that_cannot_be_read_is_told_from_the_others(orders):
    orders.plant("event-1", NOON)

    (row,) = orders.outbox.due(0, LATER, 10)

    assert (row.event_id, row.event) == ("event-1", None)
    assert row.problem.startswith("unreadable: the body is not JSON")


def test_a_shard_has_one_owner(orders):
    lease = take(orders, 0, "relay-1")

    assert (lease.shard, lease.owner) == (0, "relay-1")
    assert lease.until == NOON + timedelta(seconds=15)
    assert take(orders, 0, "relay-2", now=NOON + timedelta(seconds=14)) is None
    assert take(orders, 1, "relay-2") is not None


def test_an_owner_renews_before_the_end(orders):
    first = take(orders, 0)
    second = take(orders, 0, now=NOON + timedelta(seconds=5))

    assert second.fence > first.fence
    assert take(orders, 0, "relay-2", now=NOON + timedelta(seconds=16)) is None


def test_an_expired_lease_can_be_taken_under_a_higher_fence(orders):
    first = take(orders, 0, "relay-1")
    second = take(orders, 0, "relay-2", now=NOON + timedelta(seconds=16))

    assert second.owner == "relay-2"
    assert second.fence > first.fence


def test_a_released_lease_can_be_taken_at_once(orders):
    orders.outbox.release(take(orders, 0, "relay-1"))

    assert take(orders, 0, "relay-2") is not None


def test_releasing_a_lost_lease_changes_nothing(orders):
    lost = take(orders, 0, "relay-1")
    take(orders, 0, "relay-2", now=NOON + timedelta(seconds=16))
    orders.outbox.release(lost)

    assert take(orders, 0, "relay-3", now=NOON + timedelta(seconds=17)) is None


def test_what_is_marked_waits_no_more(orders):
    place(orders, *range(10))
    shard = busiest(orders)
    first, *rest = waiting(orders)[shard]

    orders.outbox.mark_published(take(orders, shard), rest)

    assert waiting(orders)[shard] == [first]


def test_marking_twice_succeeds(orders):
    place(orders, 1)
    shard = busiest(orders)
    lease = take(orders, shard)
    orders.outbox.mark_published(lease, ["event-1"])
    orders.outbox.mark_published(lease, ["event-1"])

    assert all_waiting(orders) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda outbox, lease: outbox.mark_published(lease, ["event-1"]),
        lambda outbox, lease: outbox.set_aside(lease, "event-1", "too large"),
    ],
    ids=["mark_published", "set_aside"],
)
def test_an_owner_that_was_fenced_off_changes_nothing(orders, act):
    place(orders, 1)
    shard = busiest(orders)
    fenced_off = take(orders, shard, "relay-1")
    take(orders, shard, "relay-2", now=NOON + timedelta(seconds=16))

    with pytest.raises(LeaseLost):
        act(orders.outbox, fenced_off)

    assert all_waiting(orders) == ["event-1"]
    assert orders.outbox.stuck_count() == 0


def test_a_lease_is_void_once_it_was_renewed(orders):
    place(orders, 1)
    shard = busiest(orders)
    old = take(orders, shard)
    new = take(orders, shard)

    with pytest.raises(LeaseLost):
        orders.outbox.mark_published(old, ["event-1"])
    orders.outbox.mark_published(new, ["event-1"])


def test_a_lease_that_expired_but_was_not_taken_still_counts(orders):
    place(orders, 1)
    shard = busiest(orders)

    orders.outbox.mark_published(take(orders, shard, seconds=0), ["event-1"])

    assert all_waiting(orders) == []


def test_who_has_just_committed_marks_without_a_lease(orders):
    place(orders, 1, 2)
    orders.outbox.mark_published_direct(["event-1"])

    assert all_waiting(orders) == ["event-2"]


def test_a_row_set_aside_is_counted_and_in_nobodys_way(orders):
    place(orders, 1, 2)
    shard = next(s for s, ids in waiting(orders).items() if "event-1" in ids)
    lease = take(orders, shard)
    orders.outbox.set_aside(lease, "event-1", "too large")

    assert all_waiting(orders) == ["event-2"]
    assert orders.outbox.stuck_count() == 1


def test_a_row_published_meanwhile_is_not_set_aside(orders):
    place(orders, 1)
    lease = take(orders, busiest(orders))
    orders.outbox.mark_published_direct(["event-1"])

    with pytest.raises(Conflict):
        orders.outbox.set_aside(lease, "event-1", "too large")

    assert orders.outbox.stuck_count() == 0
