"""Several relays on what any outbox is: they share it, and lose nothing."""

import pytest
from support.fleet import SETTLED, Fleet


@pytest.fixture
def fleet(orders):
    return Fleet(orders.store, orders.outbox, orders.leases, orders.clock)


def test_relays_share_whoever_joins_dies_or_freezes_and_everything_is_published(fleet):
    fleet.join("A", skew=-600)
    fleet.run(5)
    assert fleet.shares == [4]

    fleet.join("B", skew=600)
    fleet.commit(30)
    fleet.run(SETTLED)
    assert (fleet.shares, fleet.waiting) == ([2, 2], 0)

    fleet.join("C")
    fleet.run(SETTLED)
    assert fleet.shares == [2, 1, 1]

    fleet.kill("A")
    fleet.frozen.add("B")
    fleet.commit(30)
    fleet.run(SETTLED)
    assert fleet.waiting == 0

    fleet.frozen.clear()
    fleet.commit(30)
    fleet.run(SETTLED)
    assert (fleet.shares, fleet.waiting) == ([2, 2], 0)
    assert {event.event_id for event in fleet.topic.sent} == set(fleet.committed)
