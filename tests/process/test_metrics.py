"""A worker's metrics reach CloudWatch through its log."""

from signal import SIGTERM

import pytest
from support import emf
from support.eventually import eventually

pytestmark = pytest.mark.process


def test_the_last_line_has_the_metrics_since_the_previous_one(world, work):
    worker = work(ENVIRONMENT="staging")
    world.send("quick-1", "quick-2")
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody="not JSON")
    eventually(lambda: world.waiting + world.in_flight == 0 and world.dead == 1)
    worker.signal(SIGTERM)
    assert worker.ends() == 0

    (line,) = worker.lines("metrics")
    assert {key[1] for key in emf.metrics(line)} == {
        (("Environment", "staging"), ("Service", "payment"))
    }
    assert emf.numbers(line) == {
        "MessagesProcessed": 2,
        "MessagesFailed": 1,
        "DeadLettered": 1,
        "BreakerOpen": 0,
        "Paused": 0,
    }
    assert line["ProcessingDuration"]["Count"] == 3
    assert line["CriticalTime"]["Count"] == 2  # a message that is not JSON has no time


def test_without_an_environment_no_metrics_are_logged(world, work):
    worker = work()
    world.send("quick-1")
    eventually(lambda: world.effects("quick-1"))
    worker.signal(SIGTERM)
    assert worker.ends() == 0

    assert not worker.lines("metrics")
