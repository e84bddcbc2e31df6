"""A process with a dead thread does not look alive: it logs that and exits with 1."""

import sys
from signal import SIGTERM

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

DONE, BROKEN = 0, 1
RUN = (sys.executable, "-m", "workers", "run", "payment")


def test_a_handler_that_ends_its_thread_ends_the_process(world, work):
    """Cases 23 and 26: running handlers finish first."""
    worker = work()
    world.send("wait-1")
    worker.says("handler.started", orderId="wait-1")
    world.send("exit-2")
    worker.says("thread.died")
    assert worker.lines("thread.died")[0]["thread"].startswith("handler-")
    eventually(lambda: not worker.lives)
    assert "died" in worker.get("/livez")[1]
    world.open_gate("wait-1")
    assert worker.ends() == BROKEN
    assert world.effects("wait-1") == 1
    assert (world.waiting, world.in_flight) == (1, 0)


def test_an_unreadable_response_ends_no_thread(world, wire, start):
    """Case 26: the poller treats it as an outage of the queue."""
    wire.join()
    worker = start(RUN, world.environment | {"AWS_ENDPOINT_URL_SQS": wire.url})
    worker.says("receive.working")
    wire.spoil(b'"ReceiptHandle"', b'"ReceiptXandle"')
    world.send("quick-1")
    worker.says("receive.failing")
    assert worker.lives
    worker.signal(SIGTERM)
    assert worker.ends() == DONE
    assert worker.lines("thread.died") == []
