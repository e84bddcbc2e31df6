"""FIFO queues and topics: the fake and the embedded AWS keep the same order."""

import time
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from support.aws_calls import subscribe
from support.builders import an_envelope, an_order
from support.fakes import FakeClock, FakeQueue

from workers.aws.dead_letters import peek, release, take
from workers.aws.moving import move_one_by_one
from workers.aws.redrive import redrive
from workers.aws.resend import Sender
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.envelope import Encoded
from workers.provision.messaging import FIFO_QUEUE, FIFO_TOPIC
from workers.runtime.ports import Failure

FAILURE = Failure("the card reader is on fire", "TimeoutError", 3)
VISIBILITY = 2  # s

aws_only = pytest.mark.integration


@dataclass
class FakeFifo:
    queue: FakeQueue
    clock: FakeClock

    def send(self, body, group, deduplication_id=None):
        return self.queue.send(body, group=group, deduplication_id=deduplication_id or str(uuid4()))

    def wait(self, seconds):
        self.clock.advance(seconds)


@dataclass
class SqsFifo:
    queue: SqsQueue
    client: object

    def send(self, body, group, deduplication_id=None):
        return self.client.send_message(
            QueueUrl=self.queue.url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=deduplication_id or str(uuid4()),
        )["MessageId"]

    def wait(self, seconds):
        time.sleep(seconds)


@pytest.fixture
def sqs_fifo(clients):
    control, name = clients.control(), f"queue-{uuid4()}"
    dlq_url, url = (
        control.create_queue(QueueName=n, Attributes=FIFO_QUEUE)["QueueUrl"]
        for n in (f"{name}-dlq.fifo", f"{name}.fifo")
    )
    arn = control.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["QueueArn"])
    control.set_queue_attributes(
        QueueUrl=url,
        Attributes={
            "RedrivePolicy": f'{{"deadLetterTargetArn": "{arn["Attributes"]["QueueArn"]}", '
            '"maxReceiveCount": 1000}'
        },
    )
    queue = SqsQueue(
        clients.poll(), clients.settle(), url, dlq_url, "payment", visibility_timeout=VISIBILITY
    )
    yield SqsFifo(queue, control)
    for created in (url, dlq_url):
        control.delete_queue(QueueUrl=created)


@pytest.fixture(params=("fake", pytest.param("aws", marks=pytest.mark.integration)))
def fifo(request):
    if request.param == "aws":
        return request.getfixturevalue("sqs_fifo")
    clock = FakeClock()
    return FakeFifo(FakeQueue(clock=clock, visibility_timeout=VISIBILITY, fifo=True), clock)


def bodies(messages):
    return [message.body for message in messages]


def test_a_receive_returns_a_group_in_the_order_in_which_it_was_sent(fifo):
    for body in ("a1", "b1", "a2", "a3"):
        fifo.send(body, body[0])

    received = fifo.queue.receive(10, 0)

    assert [body for body in bodies(received) if body[0] == "a"] == ["a1", "a2", "a3"]
    assert {message.body: message.group for message in received} == {
        "a1": "a",
        "a2": "a",
        "a3": "a",
        "b1": "b",
    }


def test_a_group_is_blocked_while_one_of_its_messages_is_in_flight(fifo):
    for body in ("a1", "a2", "b1"):
        fifo.send(body, body[0])
    (first,) = fifo.queue.receive(1, 0)

    assert first.body == "a1"
    assert bodies(fifo.queue.receive(10, 0)) == ["b1"]

    fifo.queue.delete([first.receipt_handle])
    assert bodies(fifo.queue.receive(10, 0)) == ["a2"]


def test_messages_handed_back_in_any_order_come_again_in_theirs(fifo):
    for body in ("a1", "a2", "a3"):
        fifo.send(body, "a")
    first, second, third = fifo.queue.receive(10, 0)

    fifo.queue.change_visibility([(first.receipt_handle, 0), (third.receipt_handle, 0)])
    assert bodies(fifo.queue.receive(10, 0)) == []

    fifo.queue.change_visibility([(second.receipt_handle, 0)])
    assert bodies(fifo.queue.receive(10, 0)) == ["a1", "a2", "a3"]


def test_a_hidden_head_blocks_those_handed_back_behind_it(fifo):
    for body in ("a1", "a2"):
        fifo.send(body, "a")
    first, second = fifo.queue.receive(10, 0)

    fifo.queue.change_visibility([(second.receipt_handle, 0), (first.receipt_handle, 1)])
    assert bodies(fifo.queue.receive(10, 0)) == []

    fifo.wait(1.1)
    assert bodies(fifo.queue.receive(10, 0)) == ["a1", "a2"]


def test_a_batch_whose_timeout_is_over_comes_again_from_its_first_message(fifo):
    for body in ("a1", "a2", "a3", "a4"):
        fifo.send(body, "a")
    fifo.queue.receive(10, 0)

    fifo.wait(VISIBILITY + 0.1)
    assert bodies(fifo.queue.receive(10, 0)) == ["a1", "a2", "a3", "a4"]


def test_an_expired_handle_is_refused_in_its_entry(fifo):
    for body in ("a1", "b1"):
        fifo.send(body, body[0])
    late, punctual = sorted(fifo.queue.receive(10, 0), key=lambda message: message.body)
    fifo.queue.change_visibility([(punctual.receipt_handle, 60)])
    fifo.wait(VISIBILITY + 0.1)

    assert fifo.queue.delete([late.receipt_handle, punctual.receipt_handle]) == {
        0: "InvalidParameterValue"
    }
    assert bodies(fifo.queue.receive(10, 0)) == ["a1"]


def test_a_repeated_deduplication_id_is_dropped_even_after_a_delete(fifo):
    first = fifo.send("a1", "a", "one")
    (message,) = fifo.queue.receive(10, 0)
    fifo.queue.delete([message.receipt_handle])

    assert fifo.send("a1", "a", "one") == first
    assert bodies(fifo.queue.receive(10, 0)) == []


def test_the_same_deduplication_id_in_another_group_is_another_message(fifo):
    fifo.send("a1", "a", "one")
    fifo.send("b1", "b", "one")

    assert sorted(bodies(fifo.queue.receive(10, 0))) == ["a1", "b1"]


# The adapters, on the embedded AWS.


def event(number, order_id="order-1"):
    return Encoded.of(an_envelope(an_order(order_id=order_id), event_id=f"event-{number}"))


@pytest.fixture
def topic(clients, sqs_fifo):
    sns = clients.sns()
    arn = sns.create_topic(Name=f"topic-{uuid4()}.fifo", Attributes=FIFO_TOPIC)["TopicArn"]
    subscribe(sqs_fifo.client, sns, arn, sqs_fifo.queue.url)
    yield SnsTopic(sns, arn)
    sns.delete_topic(TopicArn=arn)


@aws_only
def test_events_of_an_order_arrive_in_order_in_the_group_of_the_order(topic, sqs_fifo):
    sent = [event(n, f"order-{n % 2}") for n in range(10)]

    assert topic.publish(sent) == {}

    received = sqs_fifo.queue.receive(10, 0)
    for order in ("order-0", "order-1"):
        of_order = [message.body for message in received if message.group == order]
        assert of_order == [each.body for each in sent if each.group == order]


@aws_only
def test_an_event_published_twice_within_five_minutes_arrives_once(topic, sqs_fifo):
    topic.publish([event(1)])
    stored = Encoded.read(event(1).body)  # as the relay reads it: without its group
    assert topic.publish([stored]) == {}

    assert len(sqs_fifo.queue.receive(10, 0)) == 1


@aws_only
def test_what_is_no_event_is_a_group_of_its_own(topic, sqs_fifo):
    topic.publish([Encoded.read('{"eventId": "e-1", "eventType": "x"}')])

    assert sqs_fifo.queue.receive(10, 0)[0].group == "e-1"


@aws_only
def test_a_dead_letter_redriven_at_once_comes_back_in_its_group(topic, sqs_fifo):
    """With the deduplication id of the event, SQS would accept it, and drop it."""
    topic.publish([event(1)])
    (message,) = sqs_fifo.queue.receive(10, 0)
    for _ in range(2):  # the reply to the first is lost
        sqs_fifo.queue.dead_letter(message, FAILURE)
    sqs_fifo.queue.delete([message.receipt_handle])
    assert len(peek(sqs_fifo.client, sqs_fifo.queue.dlq_url).messages) == 1

    moved = move_one_by_one(sqs_fifo.client, sqs_fifo.queue.dlq_url, sqs_fifo.queue.url)

    assert moved == 1
    (again,) = sqs_fifo.queue.receive(10, 1)
    assert (again.body, again.group) == (message.body, "order-1")


@aws_only
def test_a_move_task_redrives_a_fifo_queue(topic, sqs_fifo):
    topic.publish([event(1)])
    (message,) = sqs_fifo.queue.receive(10, 0)
    sqs_fifo.queue.dead_letter(message, FAILURE)
    sqs_fifo.queue.delete([message.receipt_handle])

    assert redrive(sqs_fifo.client, sqs_fifo.queue.dlq_url, sqs_fifo.queue.url) == 1
    (again,) = sqs_fifo.queue.receive(10, 1)
    assert (again.body, again.group) == (message.body, "order-1")


@aws_only
def test_dead_letters_are_read_in_the_order_in_which_they_were_sent(sqs_fifo):
    for number in range(10):
        message = FakeMessage(str(number))
        sqs_fifo.queue.dead_letter(message, FAILURE)

    taken = take(sqs_fifo.client, sqs_fifo.queue.dlq_url)

    assert [each.body for each in taken.messages] == [str(n) for n in range(10)]
    release(sqs_fifo.client, sqs_fifo.queue.dlq_url, [m.receipt_handle for m in taken.messages])


@dataclass
class FakeMessage:
    id: str
    group: str = "order-1"
    attributes: dict = field(default_factory=dict)

    @property
    def body(self):
        return self.id


@aws_only
def test_a_replay_right_after_the_first_delivery_arrives_in_order(topic, sqs_fifo):
    sent = [event(number) for number in range(12)]
    topic.publish(sent)
    while received := sqs_fifo.queue.receive(10, 0):
        sqs_fifo.queue.delete([message.receipt_handle for message in received])

    Sender(sqs_fifo.client, sqs_fifo.queue.url, pool=None).send(
        [Encoded.read(each.body) for each in sent]
    )

    received = sqs_fifo.queue.receive(10, 1)
    assert bodies(received) == [each.body for each in sent[:10]]


@aws_only
def test_a_fifo_topic_delivers_to_queues_only(clients, topic):
    with pytest.raises(clients.sns().exceptions.InvalidParameterException, match="firehose"):
        topic.client.subscribe(
            TopicArn=topic.arn,
            Protocol="firehose",
            Endpoint="arn:aws:firehose:eu-west-1:123456789012:deliverystream/x",
            Attributes={"SubscriptionRoleArn": "arn:aws:iam::123456789012:role/x"},
        )
