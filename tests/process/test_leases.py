"""Leases are renewed even while a handler holds the interpreter."""

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

PATIENCE = 30  # s


def test_a_handler_that_holds_the_interpreter_is_not_delivered_twice(world, work):
    """Case 9: it runs for longer than the visibility timeout, almost without thread switches."""
    worker = work(VISIBILITY_TIMEOUT="5")
    world.send("burn-1")
    worker.says("message.settled", outcome="handled", receiveCount=1)
    eventually(lambda: world.waiting + world.in_flight == 0, PATIENCE)
    assert len(worker.lines("handler.started")) == 1
    assert world.effects("burn-1") == 1
    assert worker.metric("messaging_redelivered_in_flight_total") == 0
    assert worker.metric("messaging_leases_lost_total") == 0
    assert worker.metric("messaging_lease_renewals_total") > 0
