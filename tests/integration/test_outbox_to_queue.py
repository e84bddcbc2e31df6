"""Orders go from HTTP through the outbox and the relay to a queue, on the embedded AWS."""

from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier, Event, Thread
from time import monotonic

import pytest
from prometheus_client import CollectorRegistry
from support.eventually import eventually
from support.fakes import FakeClock, FakeTopic
from support.order_api import ORDER, Api

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import LEASE, OutboxLeases
from workers.aws.sns import SnsTopic
from workers.events import decode
from workers.relay import Relay, RelayMetrics
from workers.runtime.errors import Unavailable

pytestmark = pytest.mark.integration


class PowerCut(BaseException):
    """The process has died."""


class DownTopic(FakeTopic):
    """Rejects everything, so that committed events wait for the relay."""

    def publish(self, events):
        return {position: Unavailable("down", dependency="sns") for position in range(len(events))}


class CutAfter:
    """A topic whose process dies right after publishing."""

    def __init__(self, topic):
        self._topic = topic

    def publish(self, events):
        self._topic.publish(events)
        raise PowerCut


class Scene:
    """The orders table, the topic, and payment's queue subscribed to it."""

    def __init__(self, settings):
        clients = Clients.connect(settings, threads=12)
        self.dynamodb, sns, self.sqs = clients.dynamodb(), clients.sns(), clients.control()
        self.table = names.table_name(self.dynamodb, settings, "orders")
        self.outbox = Outbox(self.dynamodb, self.table)
        self.leases = OutboxLeases(self.dynamodb, self.table)
        self.topic = SnsTopic(sns, names.topic_arn(sns, settings, "order-events"))
        self._queue = names.queue_url(self.sqs, settings, "payment")

    def api(self, topic=None):
        store = DynamoStore(self.dynamodb, self.table, outbox=True)
        return Api(store=store, topic=topic or DownTopic(), outbox=self.outbox)

    def relay(self, owner, topic=None, clock=monotonic):
        return Relay(
            self.outbox,
            self.leases,
            topic or self.topic,
            owner=owner,
            metrics=RelayMetrics(CollectorRegistry()),
            now=later,
            clock=clock,
        )

    def sweep(self, owner, topic=None):
        """Let a relay lease its shards and sweep them once."""
        sweep(self.relay(owner, topic))

    def waiting(self):
        return [
            row.event_id
            for shard in range(Outbox.SHARDS)
            for row in self.outbox.waiting(shard, 100)
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


def sweep(relay):
    relay.step()
    for turns in relay.shard_loops:
        turns.step()


def later(seconds=5):
    """Return a time at which rows committed now are due."""
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


def test_an_order_is_in_the_queue_by_the_time_of_the_response(scene):
    api = scene.api(scene.topic)

    placed = api.place()

    assert scene.delivered() == [placed["eventId"]]
    assert scene.waiting() == []
    assert api.get(f"/orders/{placed['orderId']}").json()["totalAmount"] == "1700.00"


def test_the_relay_publishes_what_order_api_could_not(scene):
    api = scene.api()
    placed = api.place()
    cancelled = api.post(f"/orders/{placed['orderId']}/cancel").json()
    assert scene.delivered() == []

    scene.sweep("relay")

    assert set(scene.delivered()) == {placed["eventId"], cancelled["eventId"]}
    assert scene.waiting() == []


def test_concurrent_requests_with_one_key_place_one_order(scene):
    api, answers = scene.api(), []

    def send():
        answers.append(api.post("/orders", ORDER, headers={"Idempotency-Key": "k"}))

    at_once(*[send] * 8)

    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer.json()["orderId"] for answer in answers if answer.status_code == 202]
    assert len(set(accepted)) == 1
    assert len(scene.waiting()) == 1


def test_three_concurrent_relays_publish_and_mark_everything(scene):
    api = scene.api()
    placed = [api.place()["eventId"] for _ in range(30)]

    at_once(*[partial(scene.sweep, f"relay-{number}") for number in range(3)])

    assert set(scene.delivered()) == set(placed)
    assert scene.waiting() == []


def test_relays_in_threads_publish_everything_and_leave_nothing_behind(scene):
    api, stopping = scene.api(), Event()
    loops = [loop for n in range(2) for loop in scene.relay(f"relay-{n}").loops().values()]
    threads = [Thread(target=loop, args=[stopping], daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    placed = [api.place()["eventId"] for _ in range(30)]

    eventually(lambda: not scene.waiting())
    stopping.set()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert set(scene.delivered()) == set(placed)
    held = [scene.leases.look(shard) for shard in range(Outbox.SHARDS)]
    assert all(row is None or row.given_up for row in held)
    assert scene.leases.beat("last") == {"last": 1}


def test_a_relay_killed_after_publishing_leaves_duplicates_and_no_loss(scene):
    api = scene.api()
    placed = [api.place()["eventId"] for _ in range(12)]
    with pytest.raises(PowerCut):
        scene.sweep("killed", CutAfter(scene.topic))

    clock = FakeClock()
    relay = scene.relay("another", clock=clock)
    sweep(relay)
    clock.advance(LEASE.total_seconds())
    sweep(relay)

    delivered = scene.delivered()
    assert set(delivered) == set(placed)
    assert len(delivered) > len(placed)
    assert scene.waiting() == []


def test_an_unreadable_row_is_set_aside(scene):
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

    scene.sweep("relay")

    assert scene.delivered() == [placed["eventId"]]
    assert scene.waiting() == []
    assert scene.outbox.stuck_count() == 1
