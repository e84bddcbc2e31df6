"""A worker waits while AWS is unreachable, and logs that once."""

import sys
from signal import SIGTERM

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

PATIENCE = 30  # s
RUN = (sys.executable, "-m", "workers", "run", "payment")


@pytest.fixture
def unreachable(world, wire, start):
    """Start a worker while AWS is unreachable."""
    wire.join()
    wire.cut()
    worker = start(RUN, world.environment | {"AWS_ENDPOINT_URL": wire.url})
    worker.says("aws.unreachable")
    return worker


def test_a_worker_without_aws_waits_and_becomes_ready_by_itself(unreachable, wire):
    assert unreachable.lives
    assert unreachable.get("/readyz") == (503, '{"status":"failing","problems":["starting"]}')
    wire.join()
    eventually(lambda: unreachable.ready, PATIENCE)
    assert len(unreachable.lines("aws.unreachable")) == 1
    unreachable.says("aws.reachable")  # a log line is written up to 50 ms later


def test_a_worker_that_waits_for_aws_can_be_stopped(unreachable):
    unreachable.signal(SIGTERM)
    assert unreachable.ends() == 0  # without waiting for AWS first


def test_an_outage_during_work_is_waited_out(world, wire, work):
    """Case 25."""
    wire.join()
    # The interrupted poll stays open at SQS and takes the message, which soon returns.
    worker = work(AWS_ENDPOINT_URL=wire.url, VISIBILITY_TIMEOUT="2")
    wire.cut()
    eventually(lambda: not worker.ready, PATIENCE)
    assert worker.get("/readyz")[1] == (
        '{"status":"failing","problems":["the queue does not answer"]}'
    )
    eventually(lambda: worker.metric("messaging_receive_errors_total") >= 3, PATIENCE)
    assert worker.lives
    world.send("quick-1")
    wire.join()
    eventually(lambda: worker.ready, PATIENCE)
    worker.says("message.settled", outcome="handled")
    assert len(worker.lines("receive.failing")) == 1
    assert len(worker.lines("receive.working")) == 2


def test_a_poll_without_a_response_times_out(world, wire, work):
    """Case 27: after the wait of 1 s and 5 s more."""
    wire.join()
    worker = work(AWS_ENDPOINT_URL_SQS=wire.url)
    wire.hold()
    worker.says("receive.failing")
    assert "Read timeout" in worker.lines("receive.failing")[0]["reason"]
    reached = wire.reached
    eventually(lambda: wire.reached > reached, PATIENCE)
    wire.release()
    world.send("quick-1")
    worker.says("message.settled", outcome="handled")
