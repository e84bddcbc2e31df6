"""Long polls return when a message becomes visible, and each message goes to one of them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Timer

import pytest
from support.aws_calls import bodies, entries

pytestmark = pytest.mark.integration

LONG = 20  # s; the longest poll that SQS allows
WOKEN = 15  # s; less than a poll that nothing wakes, and enough for a busy machine
CLOCKS = 0.05  # s by which the wall clock of the server may differ from ours


def test_a_poll_is_woken_by_a_send(sqs, queue):
    Timer(0.3, lambda: sqs.send_message(QueueUrl=queue, MessageBody="a")).start()
    with lasting(0, WOKEN):
        assert bodies(sqs, queue, WaitTimeSeconds=LONG) == ["a"]


def test_a_poll_waits_in_full_when_nothing_comes(sqs, queue):
    with lasting(1, WOKEN):
        assert bodies(sqs, queue, WaitTimeSeconds=1) == []


def test_a_poll_is_woken_when_a_visibility_timeout_ends(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="a")
    with lasting(1, WOKEN):
        assert bodies(sqs, queue, VisibilityTimeout=1) == ["a"]
        assert bodies(sqs, queue, WaitTimeSeconds=LONG) == ["a"]


def test_a_poll_is_woken_when_a_delay_ends(sqs, queue):
    with lasting(1, WOKEN):
        sqs.send_message(QueueUrl=queue, MessageBody="a", DelaySeconds=1)
        assert bodies(sqs, queue, WaitTimeSeconds=LONG) == ["a"]


def test_a_poll_is_woken_by_a_release(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="a")
    [message] = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=60)["Messages"]
    release = lambda: sqs.change_message_visibility(  # noqa: E731
        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    Timer(0.3, release).start()
    with lasting(0, WOKEN):
        assert bodies(sqs, queue, WaitTimeSeconds=LONG) == ["a"]


def test_each_message_goes_to_one_of_many_pollers(sqs, queue):
    for start in range(0, 200, 10):
        sqs.send_message_batch(
            QueueUrl=queue, Entries=entries(*(str(start + i) for i in range(10)))
        )

    def drain(_):
        found = []
        while some := bodies(sqs, queue):
            found += some
        return found

    with ThreadPoolExecutor(8) as threads:
        received = [body for some in threads.map(drain, range(8)) for body in some]
    assert sorted(map(int, received)) == list(range(200))


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(sqs, provisioned):
    assert provisioned.name_prefix
    url = sqs.get_queue_url(QueueName=f"{provisioned.name_prefix}payment-queue")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    policy = json.loads(found["RedrivePolicy"]) | {"maxReceiveCount": 5}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(5):
        assert bodies(sqs, url, VisibilityTimeout=0, WaitTimeSeconds=1) == ["poison"]
    assert bodies(sqs, url, VisibilityTimeout=0, WaitTimeSeconds=0) == []
    assert bodies(sqs, f"{url}-dlq", WaitTimeSeconds=1) == ["poison"]


@contextmanager
def lasting(shortest, longest):
    """Fail unless the block takes at least ``shortest`` and less than ``longest`` seconds."""
    start = time.monotonic()
    yield
    assert shortest - CLOCKS <= time.monotonic() - start < longest
