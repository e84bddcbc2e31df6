"""A process that was frozen says so, and its message is handled elsewhere."""

import time
from signal import SIGCONT, SIGSTOP

import pytest
from support.eventually import eventually

from workers.ops.failures import failures_of
from workers.runtime.leases import STALL

pytestmark = pytest.mark.process

PATIENCE = 30  # s
VISIBILITY = 2  # s


def test_a_process_that_was_frozen_says_so_and_its_message_is_delivered_again(world, work):
    worker = work(VISIBILITY_TIMEOUT=str(VISIBILITY))
    world.send("wait-1")
    worker.says("handler.started")
    worker.signal(SIGSTOP)
    time.sleep(STALL + 1)
    worker.signal(SIGCONT)

    worker.says("process.stalled")
    worker.says("lease.lost", orderId="wait-1", eventId="event-wait-1", level="warning")
    assert worker.metric("messaging_process_stalls_total") == 1

    world.open_gate("wait-1")
    worker.says("message.settled", outcome="redelivered", orderId="wait-1")
    worker.says("message.settled", outcome="handled", orderId="wait-1")
    eventually(lambda: world.waiting + world.in_flight == 0, PATIENCE)
    assert world.effects("wait-1") == 1
    log = failures_of(world.dynamodb, f"{world.prefix}payment", "order-api#event-wait-1")
    assert [attempt.type for attempt in log.attempts] == ["lease_lost"]
