"""From HTTP through the outbox and the relay to a queue, on the embedded AWS."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from fakes import FakeTopic
from order_api import ORDER, Api
from prometheus_client import CollectorRegistry

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.sns import SnsTopic
from workers.envelope import decode
from workers.relay import Relay, RelayMetrics
from workers.runtime.errors import Unavailable

pytestmark = pytest.mark.integration


class PowerCut(BaseException):
    """The process is gone."""


class DownTopic(FakeTopic):
    """Takes nothing: what is committed waits for the relay."""

    def publish(self, events):
        return {position: Unavailable("down", dependency="sns") for position in range(len(events))}


class CutAfter:
    """A topic whose process dies right after it published."""

    def __init__(self, topic):
        self._topic = topic

    def publish(self, events):
        self._topic.publish(events)
        raise PowerCut


class Scene:
    """The orders table and the topic of the map, and payment's queue behind it."""

    def __init__(self, settings):
        clients = Clients.connect(settings, threads=12)
        self.dynamodb, sns, self.sqs = clients.dynamodb(), clients.sns(), clients.control()
        self.table = names.table_name(self.dynamodb, settings, "orders")
        self.outbox = Outbox(self.dynamodb, self.table)
        self.topic = SnsTopic(sns, names.topic_arn(sns, settings, "order-events"))
        self._queue = names.queue_url(self.sqs, settings, "payment")

    def api(self, topic=None):
        store = DynamoStore(self.dynamodb, self.table, outbox=True)
        return Api(store=store, topic=topic or DownTopic(), outbox=self.outbox)

    def relay(self, owner, topic=None):
        return Relay(
            self.outbox,
            topic or self.topic,
            owner=owner,
            metrics=RelayMetrics(CollectorRegistry()),
            now=later,
        )

    def waiting(self):
        return [
            row.event_id
            for shard in range(Outbox.SHARDS)
            for row in self.outbox.due(shard, later(), 100)
        ]

    def delivered(self):
        """Empty the queue and return the event ids, repeats included."""
        ids = []
        while messages := self._receive():
            ids += [decode(message["Body"]).event_id for message in messages]
        return ids

    def _receive(self):
        return self.sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=0, VisibilityTimeout=600
        ).get("Messages", [])


def later(seconds=5):
    """Give a time at which what has just been committed is due."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def at_once(*jobs):
    """Run jobs in threads that start together."""
    start = Barrier(len(jobs))

    def run(job):
        start.wait()
        job()

    threads = [Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def scene(provisioned):
    return Scene(provisioned)


def test_an_order_is_in_the_queue_when_the_answer_is_there_and_nothing_waits(scene):
    api = scene.api(scene.topic)

    placed = api.place()

    assert scene.delivered() == [placed["eventId"]]
    assert scene.waiting() == []
    assert api.get(f"/orders/{placed['orderId']}").json()["totalAmount"] == "1700.00"


def test_what_order_api_could_not_publish_the_relay_does(scene):
    api = scene.api()
    placed = api.place()
    cancelled = api.post(f"/orders/{placed['orderId']}/cancel").json()
    assert scene.delivered() == []

    scene.relay("relay").step()

    assert set(scene.delivered()) == {placed["eventId"], cancelled["eventId"]}
    assert scene.waiting() == []


def test_one_key_sent_many_times_at_once_is_one_order(scene):
    api, answers = scene.api(), []

    def send():
        answers.append(api.post("/orders", ORDER, headers={"Idempotency-Key": "k"}))

    at_once(*[send] * 8)

    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer.json()["orderId"] for answer in answers if answer.status_code == 202]
    assert len(set(accepted)) == 1
    assert len(scene.waiting()) == 1


def test_three_relays_at_once_publish_everything_and_mark_it(scene):
    api = scene.api()
    placed = [api.place()["eventId"] for _ in range(30)]

    at_once(*[scene.relay(f"relay-{number}").step for number in range(3)])

    assert set(scene.delivered()) == set(placed)
    assert scene.waiting() == []


def test_a_relay_killed_after_publishing_leaves_duplicates_and_no_loss(scene):
    api = scene.api()
    placed = [api.place()["eventId"] for _ in range(12)]
    with pytest.raises(PowerCut):
        scene.relay("same-owner", CutAfter(scene.topic)).step()

    scene.relay("same-owner").step()

    delivered = scene.delivered()
    assert set(delivered) == set(placed)
    assert len(delivered) > len(placed)
    assert scene.waiting() == []


def test_a_row_that_cannot_be_read_is_set_aside(scene):
    placed = scene.api().place()
    scene.dynamodb.put_item(
        TableName=scene.table,
        Item={
            "pk": {"S": "outbox#garbled"},
            "outboxShard": {"S": "0"},
            "outboxOrder": {"S": "2025-01-01T00:00:00.000000+00:00#garbled"},
            "body": {"S": "not an envelope"},
        },
    )

    scene.relay("relay").step()

    assert scene.delivered() == [placed["eventId"]]
    assert scene.waiting() == []
    assert scene.outbox.stuck_count() == 1
