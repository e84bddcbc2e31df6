"""A worker's figures reach CloudWatch through its log."""

from signal import SIGTERM

import pytest
from support import emf
from support.eventually import eventually

pytestmark = pytest.mark.process


def test_the_last_line_holds_what_the_others_have_not_told(world, work):
    worker = work(ENVIRONMENT="staging")
    world.send("quick-1", "quick-2")
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody="not JSON")
    eventually(lambda: world.waiting + world.in_flight == 0 and world.dead == 1)
    worker.signal(SIGTERM)
    assert worker.ends() == 0

    (line,) = worker.lines("metrics")
    assert {key[1:]: value for key, value in emf.metrics(line).items()} == {
        ((("Environment", "staging"), ("Service", "payment")), name): value
        for name, value in {
            "MessagesProcessed": 2,
            "MessagesFailed": 1,
            "DeadLettered": 1,
            "BreakerOpen": 0,
        }.items()
    }


def test_without_an_environment_there_is_no_such_line(world, work):
    worker = work()
    world.send("quick-1")
    eventually(lambda: world.effects("quick-1"))
    worker.signal(SIGTERM)
    assert worker.ends() == 0

    assert not worker.lines("metrics")
