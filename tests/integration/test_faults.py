"""Effects stay exact when AWS returns errors, loses responses and delivers twice.

The adapters are the product's; the faults come from ``local/aws/faults/rules.py``. "Row 15" is case
15 of ``chaos/catalogue.py``.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from support.builders import an_envelope, an_order
from support.eventually import eventually
from support.harness import Harness
from support.order_api import Api

from local.aws.faults.rules import Rule
from local.tcp_proxy import TcpProxy
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue, depth
from workers.events import decode
from workers.provision.provision import provision
from workers.relay import Relay, RelayMetrics
from workers.settings import Settings
from workers.topology import Topology

pytestmark = pytest.mark.integration


@pytest.fixture
def faulty(aws):
    """Return the embedded AWS; remove all rules after the test."""
    yield aws
    aws.heal()


@pytest.fixture
def provisioned(aws):
    """Create payment's queue and table, the orders table and the topic; return the settings."""
    assert aws.url
    settings = Settings(name_prefix=f"t{uuid4().hex[:8]}-")
    whole = Topology.load()
    part = {
        "services": {"payment": whole.services["payment"]},
        "tables": {name: whole.tables[name] for name in ("orders", "payment")},
    }
    provision(settings, whole.model_copy(update=part))
    return settings


class Impatient(SqsQueue):
    """A queue whose receives do not wait."""

    def receive(self, limit, wait):
        del wait
        return super().receive(limit, 0)


class Worker(Harness):
    """Payment on the real adapters, run step by step."""

    def __init__(self, settings, visibility_timeout=60):
        self._settings = settings
        clients = Clients.connect(settings, threads=4)
        self.sqs, self.dynamodb, sns = clients.control(), clients.dynamodb(), clients.sns()
        self.url = names.queue_url(self.sqs, settings, "payment")
        self.dlq_url = names.dlq_url(self.sqs, settings, "payment")
        self.table = names.table_name(self.dynamodb, settings, "payment")
        queue = Impatient(
            clients.poll(),
            clients.settle(),
            self.url,
            self.dlq_url,
            "payment",
            visibility_timeout,
        )
        super().__init__(
            queue=queue,
            topic=SnsTopic(sns, names.topic_arn(sns, settings, "order-events")),
            store=DynamoStore(self.dynamodb, self.table),
            visibility_timeout=visibility_timeout,
        )

    def send(self, *order_ids):
        for order_id in order_ids:
            event = an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}")
            self.sqs.send_message(QueueUrl=self.url, MessageBody=event.encode())

    def beside(self):
        """Start another worker on the same queue and table."""
        return Worker(self._settings)

    def handle(self, count):
        """Receive and handle until this many messages wait to be settled."""
        for _ in range(20):
            if self.acks.backlog == count:
                return
            self.receive()
            self.work()
        pytest.fail(f"{self.acks.backlog} messages were handled")

    def settle_all(self):
        """Repeat settlements until SQS has accepted them."""
        for _ in range(20):
            self.clock.advance(5)
            self.acks.flush()

    def finishes(self):
        """Take one round; return whether the order has one effect and the queues are empty."""
        self.receive()
        self.work()
        self.settle_all()
        return (self.effects(), self.left) == (1, (0, 0))

    def effects(self, order_id="order-1"):
        found = self.dynamodb.get_item(
            TableName=self.table, Key={"pk": {"S": f"effect#{order_id}"}}, ConsistentRead=True
        )
        return int(found["Item"]["times"]["N"]) if "Item" in found else 0

    @property
    def left(self):
        """Count the messages in the queue and in the dead-letter queue."""
        here, dead = depth(self.sqs, self.url), depth(self.sqs, self.dlq_url)
        return here.visible + here.in_flight, dead.visible + dead.in_flight


@pytest.fixture
def worker(provisioned):
    return Worker(provisioned)


@pytest.mark.parametrize(
    "mode", ["drop_after", "drop_before", "error", "expired", "partial", "throttle"]
)
def test_a_failed_delete_is_repeated_and_the_effect_is_not(faulty, worker, mode):
    """Rows 15, 16 and 17."""
    worker.send("order-1", "order-2", "order-3")
    operation = "sqs.DeleteMessageBatch"
    faulty.inject([Rule(operation=operation, mode=mode, match=worker.url, count=2)])

    worker.handle(3)
    worker.settle_all()

    assert worker.left == (0, 0)
    assert [worker.effects(f"order-{number}") for number in (1, 2, 3)] == [1, 1, 1]
    assert len(worker.service.handled) == 3
    assert faulty.faults()["fired"] == {mode: 2}


def test_only_the_entries_that_failed_are_deleted_again(faulty, worker):
    """Row 16."""
    worker.send("order-1", "order-2", "order-3")
    operation = "sqs.DeleteMessageBatch"
    rules = [Rule(operation=operation, mode="partial", match=worker.url, count=1)]
    rules += [Rule(operation=operation, mode="delay", match=worker.url, seconds=0.001)]
    faulty.inject(rules)
    worker.handle(3)

    worker.settle()

    assert (worker.acks.backlog, worker.left) == (2, (2, 0))
    worker.settle_all()
    assert worker.left == (0, 0)


def test_a_lost_response_to_a_receive_costs_only_a_receive(faulty, provisioned):
    """Row 18."""
    worker = Worker(provisioned, visibility_timeout=1)
    worker.send("order-1")
    faulty.inject(
        [Rule(operation="sqs.ReceiveMessage", mode="drop_after", match=worker.url, count=1)]
    )

    worker.receive()
    assert worker.work() == 0
    eventually(lambda: worker.receive() and worker.poller.work.qsize() == 1)
    lease = worker.next_lease()
    worker.consumer.consume(lease)
    worker.settle_all()

    assert lease.message.receive_count == 2
    assert (worker.effects(), worker.left) == (1, (0, 0))


@pytest.mark.parametrize(
    "mode", ["conflict", "drop_after", "drop_before", "error", "expired", "throttle"]
)
def test_a_failed_commit_is_committed_once(faulty, worker, mode):
    """Rows 19, 20, 22 and 41: two faults, and the SDK tries three times."""
    worker.send("order-1")
    operation = "dynamodb.TransactWriteItems"
    count = 1 if mode == "expired" else 2  # the SDK does not repeat ExpiredTokenException
    faulty.inject([Rule(operation=operation, mode=mode, match=worker.table, count=count)])

    eventually(worker.finishes)

    assert faulty.faults()["fired"] == {mode: count}


def test_a_message_redelivered_at_once_has_one_effect(faulty, worker):
    """Row 12, one after the other."""
    worker.send("order-1")
    operation = "sqs.ReceiveMessage"
    faulty.inject([Rule(operation=operation, mode="duplicate", match=worker.url, count=1)])
    other = worker.beside()

    worker.receive()
    other.receive()
    assert (worker.work(), other.work()) == (1, 1)
    worker.settle_all()
    other.settle_all()

    assert (worker.effects(), worker.left) == (1, (0, 0))


def test_a_poll_with_expired_credentials_costs_no_receive(faulty, worker):
    """Row 41."""
    worker.send("order-1")
    faulty.inject([Rule(operation="sqs.ReceiveMessage", mode="expired", match=worker.url, count=3)])

    received = [worker.poller.poll(worker.permits.take()) for _ in range(4)]

    assert received == [False, False, False, True]
    assert worker.next_lease().message.receive_count == 1


@pytest.fixture
def proxy(aws, monkeypatch):
    """Return a proxy between the test's clients and the embedded AWS."""
    proxy = TcpProxy(int(aws.url.rpartition(":")[2]))
    proxy.join()
    with monkeypatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
    proxy.close()


@pytest.mark.parametrize("direction", ["requests", "answers"])
@pytest.mark.parametrize("count", [0, 40, 200])
def test_a_connection_that_is_reset_loses_nothing(proxy, provisioned, direction, count):
    """Row 25: in the middle of a request, or of an answer, to DynamoDB and to SQS."""
    worker = Worker(provisioned)
    worker.send("order-1")

    worker.receive()
    proxy.reset_after(count, direction)
    worker.work()
    proxy.reset_after(count, direction)
    worker.settle_all()
    proxy.heal()

    eventually(worker.finishes)
    assert proxy.resets == 2


class Scene:
    """order-api and relays on the real adapters, and payment's queue behind the topic."""

    def __init__(self, settings):
        clients = Clients.connect(settings, threads=12)
        dynamodb, sns, self.sqs = clients.dynamodb(), clients.sns(), clients.control()
        self.table = names.table_name(dynamodb, settings, "orders")
        self.outbox, self.leases = Outbox(dynamodb, self.table), OutboxLeases(dynamodb, self.table)
        self.topic = SnsTopic(sns, names.topic_arn(sns, settings, "order-events"))
        self.url = names.queue_url(self.sqs, settings, "payment")
        store = DynamoStore(dynamodb, self.table, outbox=True)
        self.api = Api(store=store, topic=self.topic, outbox=self.outbox)
        self.delivered = Counter()  # event ids
        self._steps = 0

    def relay(self):
        """Run a relay over every shard once, after the leases of the last one.

        It then stops and releases its shards.
        """
        self._steps += 1
        later = datetime.now(UTC) + timedelta(minutes=self._steps)
        relay = Relay(
            self.outbox,
            self.leases,
            self.topic,
            owner="relay",
            metrics=RelayMetrics(CollectorRegistry()),
            now=lambda: later,
        )
        relay.step()
        for turns in relay.shard_loops:
            turns.step()
            turns.sweep.release()

    def receive(self):
        """Receive new messages; return all that have arrived so far."""
        request = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "WaitTimeSeconds": 0}
        while messages := self.sqs.receive_message(QueueUrl=self.url, **request).get("Messages"):
            self.delivered.update(decode(message["Body"]).event_id for message in messages)
        return self.delivered

    @property
    def waiting(self):
        rows = [self.outbox.waiting(shard, 100) for shard in range(Outbox.SHARDS)]
        return {row.event_id for shard in rows for row in shard}


@pytest.fixture
def scene(provisioned):
    return Scene(provisioned)


@pytest.mark.parametrize("mode", ["drop_before", "error", "expired", "throttle"])
def test_an_event_that_cannot_be_published_waits_but_the_customer_does_not(faulty, scene, mode):
    """Row 27."""
    faulty.inject([Rule(operation="sns.PublishBatch", mode=mode, match=scene.topic.arn)])

    placed = scene.api.place()["eventId"]
    scene.relay()
    assert scene.waiting == {placed}
    assert not scene.receive()
    faulty.heal()
    scene.relay()

    assert scene.receive() == {placed: 1}
    assert not scene.waiting


def test_an_unconfirmed_event_is_published_again(faulty, scene):
    """Row 27, and 30: the repeat has the same event id."""
    rule = Rule(operation="sns.PublishBatch", mode="drop_after", match=scene.topic.arn)
    faulty.inject([rule])

    placed = scene.api.place()["eventId"]
    faulty.heal()
    scene.relay()

    assert set(scene.receive()) == {placed}
    assert scene.delivered[placed] > 1
    assert not scene.waiting


def test_only_the_failed_half_of_a_batch_is_published_again(faulty, scene):
    """Row 29."""
    match = scene.topic.arn
    faulty.inject([Rule(operation="sns.PublishBatch", mode="expired", match=match)])
    placed = {scene.api.place()["eventId"] for _ in range(12)}
    faulty.inject([Rule(operation="sns.PublishBatch", mode="partial", match=match)])

    scene.relay()

    published = set(scene.receive())
    assert published
    assert scene.waiting == placed - published
    assert scene.waiting
    faulty.heal()
    scene.relay()
    assert scene.receive() == dict.fromkeys(placed, 1)
    assert not scene.waiting


def test_a_lagging_index_costs_repeats_and_delay_but_loses_nothing(faulty, scene):
    """Row 32."""
    match = scene.topic.arn
    down = Rule(operation="sns.PublishBatch", mode="drop_before", match=match)
    stale = Rule(operation="dynamodb.Query", mode="stale", match=scene.table, lag=4)
    faulty.inject([down, stale])
    first = scene.api.place()["eventId"]
    scene.relay()
    faulty.inject([stale.model_copy(update={"skip": 8})])
    scene.relay()
    assert scene.receive() == {first: 1}
    late = scene.api.place()["eventId"]

    scene.relay()
    scene.relay()

    assert scene.receive()[first] > 1
    faulty.heal()
    scene.relay()
    assert set(scene.receive()) == {first, late}
    assert not scene.waiting
