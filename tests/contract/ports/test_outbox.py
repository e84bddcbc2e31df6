"""Every outbox behaves like this; the relay relies on it."""

from datetime import timedelta

import pytest
from support.builders import NOON, an_order, encoded

from workers.aws.outbox import Row
from workers.aws.outbox_leases import Held
from workers.runtime.errors import Conflict, LeaseLost


def place(orders, *numbers):
    """Commit orders, each with an event; a higher number is committed later."""
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


def waiting(orders):
    """Return the ids of all waiting events by shard."""
    return {s: [row.event_id for row in orders.outbox.waiting(s, 100)] for s in shards(orders)}


def all_waiting(orders):
    return sorted(event_id for ids in waiting(orders).values() for event_id in ids)


def busiest(orders):
    rows = waiting(orders)
    return max(rows, key=lambda shard: len(rows[shard]))


def take(orders, shard, owner="relay-1"):
    """Take a shard from its present owner, if any."""
    return orders.leases.take(shard, owner, orders.leases.look(shard))


def test_an_outcome_waits_as_soon_as_it_is_committed(orders):
    place(orders, 1)

    (row,) = (row for s in shards(orders) for row in orders.outbox.waiting(s, 10))

    assert row == Row("event-1", NOON + timedelta(seconds=1), event(1))


def test_a_repeat_does_not_wait_twice(orders):
    place(orders, 1)
    place(orders, 1)

    assert all_waiting(orders) == ["event-1"]


def test_orders_spread_over_the_shards(orders):
    place(orders, *range(40))

    assert all(len(ids) >= 2 for ids in waiting(orders).values())


def test_events_with_one_correlation_id_share_a_shard(orders):
    story = [encoded(event_id=f"event-{n}", correlation_id="event-0") for n in range(20)]
    orders.store.commit(orders.store.begin("api#1"), story)

    assert sorted(len(ids) for ids in waiting(orders).values()) == [0, 0, 0, 20]


def test_rows_come_oldest_first_up_to_the_limit(orders):
    place(orders, *range(20, 0, -1))
    shard = busiest(orders)
    everything = [row.event_id for row in orders.outbox.waiting(shard, 100)]

    assert everything == sorted(everything, key=_number)
    assert [row.event_id for row in orders.outbox.waiting(shard, 2)] == everything[:2]
    assert orders.outbox.oldest(shard) == NOON + timedelta(seconds=_number(everything[0]))


def _number(event_id):
    return int(event_id.removeprefix("event-"))


def test_an_empty_shard_has_no_oldest(orders):
    assert [orders.outbox.oldest(shard) for shard in shards(orders)] == [None] * 4


def test_an_unreadable_body_is_reported_and_the_others_are_read(orders):
    orders.plant("event-1", NOON)

    (row,) = orders.outbox.waiting(0, 10)

    assert (row.event_id, row.event) == ("event-1", None)
    assert row.problem.startswith("unreadable: the body is not JSON")


def test_a_new_shard_can_be_taken_once(orders):
    assert orders.leases.look(0) is None

    lease = orders.leases.take(0, "relay-1", None)

    assert (lease.shard, lease.owner) == (0, "relay-1")
    assert orders.leases.look(0) == Held("relay-1", lease.fence)
    assert orders.leases.take(0, "relay-2", None) is None
    assert orders.leases.take(1, "relay-2", None) is not None


def test_a_shard_is_taken_from_the_owner_last_seen_under_a_higher_fence(orders):
    first = take(orders, 0, "relay-1")
    seen = orders.leases.look(0)

    second = orders.leases.take(0, "relay-2", seen)

    assert (second.owner, second.fence > first.fence) == ("relay-2", True)
    assert orders.leases.take(0, "relay-3", seen) is None
    assert orders.leases.renew(first) is None


def test_a_lease_that_was_renewed_meanwhile_cannot_be_taken(orders):
    lease = take(orders, 0, "relay-1")
    seen = orders.leases.look(0)

    renewed = orders.leases.renew(lease)

    assert renewed.fence > lease.fence
    assert orders.leases.take(0, "relay-2", seen) is None


def test_an_owner_continues_after_a_lost_reply_to_its_renewal(orders):
    lease = take(orders, 0)
    orders.leases.renew(lease)

    assert orders.leases.renew(lease).fence == lease.fence + 2


def test_a_released_lease_shows_as_given_up_until_it_is_taken(orders):
    lease = take(orders, 0, "relay-1")
    orders.leases.release(lease)
    assert orders.leases.look(0) == Held("relay-1", lease.fence, given_up=True)

    taken = take(orders, 0, "relay-2")

    assert orders.leases.look(0) == Held("relay-2", taken.fence)


def test_releasing_a_lost_lease_changes_nothing(orders):
    lost = take(orders, 0, "relay-1")
    lease = take(orders, 0, "relay-2")
    orders.leases.release(lost)

    assert orders.leases.look(0) == Held("relay-2", lease.fence)


def test_heartbeats_of_all_relays_are_counted(orders):
    assert orders.leases.beat("relay-1") == {"relay-1": 1}
    assert orders.leases.beat("relay-2") == {"relay-1": 1, "relay-2": 1}
    assert orders.leases.beat("relay-1") == {"relay-1": 2, "relay-2": 1}


def test_a_relay_is_forgotten_unless_it_has_sent_a_heartbeat_since(orders):
    orders.leases.beat("relay-1")
    orders.leases.beat("relay-1")
    orders.leases.forget("relay-1", 1)
    orders.leases.forget("never-seen", 1)
    assert orders.leases.beat("relay-2") == {"relay-1": 2, "relay-2": 1}

    orders.leases.forget("relay-1", 2)

    assert orders.leases.beat("relay-2") == {"relay-2": 2}


def test_a_marked_row_no_longer_waits(orders):
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
    take(orders, shard, "relay-2")

    with pytest.raises(LeaseLost):
        act(orders.outbox, fenced_off)

    assert all_waiting(orders) == ["event-1"]
    assert orders.outbox.stuck_count() == 0


def test_a_lease_is_void_after_its_renewal(orders):
    place(orders, 1)
    shard = busiest(orders)
    old = take(orders, shard)
    new = take(orders, shard)

    with pytest.raises(LeaseLost):
        orders.outbox.mark_published(old, ["event-1"])
    orders.outbox.mark_published(new, ["event-1"])


def test_the_process_that_committed_a_row_marks_it_without_a_lease(orders):
    place(orders, 1, 2)
    orders.outbox.mark_published_direct(["event-1"])

    assert all_waiting(orders) == ["event-2"]


def test_a_row_set_aside_is_counted_and_no_longer_waits(orders):
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
