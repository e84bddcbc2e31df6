"""Several relays share any outbox and lose nothing."""

import pytest
from support.fleet import SETTLED, Fleet


@pytest.fixture
def fleet(orders):
    return Fleet(orders.store, orders.outbox, orders.leases, orders.clock)


def test_relays_that_join_die_and_freeze_share_the_shards_and_publish_everything(fleet):
    """Case 49."""
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
