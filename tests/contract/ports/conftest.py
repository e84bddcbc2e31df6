"""Every port in two implementations: the fake, and the adapter on the embedded AWS."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from support.aws_calls import create_table, subscribe
from support.fakes import (
    FakeAllowance,
    FakeClock,
    FakeGateway,
    FakeLeases,
    FakeOutbox,
    FakePayloads,
    FakeQueue,
    FakeRoster,
    FakeStore,
    FakeTopic,
)
from support.fakes.store import Waiting
from support.stripe import SECRET, serving_stripe

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.heartbeats import DynamoRoster
from workers.aws.mail_allowance import MailAllowance
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.payloads import S3Payloads
from workers.aws.payment_ledger import PaymentLedger
from workers.aws.simulated_gateway import SimulatedGateway
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.gateways.stripe import StripeGateway
from workers.gateways.stripe_api import StripeApi
from workers.settings import Settings

BOTH = ("fake", pytest.param("aws", marks=pytest.mark.integration))


@pytest.fixture(scope="session")
def clients(aws_endpoint):
    assert aws_endpoint
    return Clients.connect(Settings(stop_timeout=11), threads=4)


@pytest.fixture
def dynamodb(clients):
    return clients.dynamodb()


@pytest.fixture
def table(dynamodb):
    """Create a table with the outbox index, as in production."""
    name = create_table(dynamodb, outbox=("outboxShard", "outboxOrder"))
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture(params=BOTH)
def store(request):
    if request.param == "fake":
        return FakeStore()
    return DynamoStore(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


@pytest.fixture(params=BOTH)
def roster(request):
    if request.param == "fake":
        return FakeRoster()
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    return DynamoRoster(client, table)


@pytest.fixture(params=BOTH)
def allowance(request):
    if request.param == "fake":
        return FakeAllowance()
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    return MailAllowance(client, table, FakeClock())


@pytest.fixture
def s3_payloads(clients):
    client, bucket = clients.s3(), f"payloads-{uuid4()}"
    where = {"LocationConstraint": client.meta.region_name}
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    account = clients.sts().get_caller_identity()["Account"]
    return S3Payloads(client, bucket, account)


@pytest.fixture(params=BOTH)
def payloads(request):
    if request.param == "fake":
        return FakePayloads()
    return request.getfixturevalue("s3_payloads")


@dataclass
class FakeOrders:
    """A table with an outbox."""

    store: FakeStore
    outbox: FakeOutbox
    leases: FakeLeases
    clock: FakeClock

    def plant(self, event_id, since):
        """Put an unreadable row into shard 0."""
        self.store.waiting[event_id] = Waiting(None, 0, since)


@dataclass
class DynamoOrders:
    store: DynamoStore
    outbox: Outbox
    leases: OutboxLeases
    clock: FakeClock

    def plant(self, event_id, since):
        row = {
            "pk": f"outbox#{event_id}",
            "body": "no envelope",
            "outboxShard": "0",
            "outboxOrder": f"{since.isoformat(timespec='microseconds')}#{event_id}",
        }
        self.outbox.client.put_item(
            TableName=self.outbox.table, Item={name: {"S": text} for name, text in row.items()}
        )


@pytest.fixture(params=BOTH)
def orders(request):
    if request.param == "fake":
        store = FakeStore(outbox=True)
        outbox = FakeOutbox(store)
        return FakeOrders(store, outbox, outbox.leases, store.clock)
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    clock = FakeClock()
    store = DynamoStore(client, table, outbox=True, clock=clock)
    return DynamoOrders(store, Outbox(client, table), OutboxLeases(client, table), clock)


@pytest.fixture(scope="session")
def stripe_server():
    with serving_stripe() as server:
        yield server


@pytest.fixture
def stripe(stripe_server):
    stripe_server.reset()
    return stripe_server


@pytest.fixture
def stripe_gateway(stripe, dynamodb, table):
    api = StripeApi.connect(stripe.url, SECRET, connections=10)
    return StripeGateway(api, PaymentLedger(dynamodb, table))


@pytest.fixture(params=(*BOTH, pytest.param("stripe", marks=pytest.mark.integration)))
def gateway(request):
    match request.param:
        case "fake":
            return FakeGateway()
        case "stripe":
            return request.getfixturevalue("stripe_gateway")
    return SimulatedGateway(request.getfixturevalue("dynamodb"), request.getfixturevalue("table"))


@dataclass
class FakeQueues:
    """A queue, and the means to send to it and look into it."""

    queue: FakeQueue

    def send(self, body):
        return self.queue.send(body)

    def dead_bodies(self):
        return [letter.message.body for letter in self.queue.dead_letters]

    def redrive(self):
        self.queue.redrive()


@dataclass
class SqsQueues:
    queue: SqsQueue
    client: object

    def send(self, body, attributes=None):
        return self.client.send_message(
            QueueUrl=self.queue.url, MessageBody=body, MessageAttributes=attributes or {}
        )["MessageId"]

    def dead(self):
        return self.client.receive_message(
            QueueUrl=self.queue.dlq_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
        ).get("Messages", [])

    def dead_bodies(self):
        return [message["Body"] for message in self.dead()]

    def redrive(self):
        """Move the dead letters back with their attributes, as SQS does."""
        for message in self.dead():
            named = message["MessageAttributes"]
            sent = {
                name: {"DataType": "String", "StringValue": each["StringValue"]}
                for name, each in named.items()
            }
            self.send(message["Body"], sent)


@pytest.fixture
def sqs_queues(clients):
    control = clients.control()
    name = f"queue-{uuid4()}"
    url, dlq_url = (control.create_queue(QueueName=n)["QueueUrl"] for n in (name, f"{name}-dlq"))
    yield SqsQueues(
        SqsQueue(
            clients.poll(),
            clients.settle(),
            url,
            dlq_url,
            service="payment",
            visibility_timeout=60,
        ),
        control,
    )
    for created in (url, dlq_url):
        control.delete_queue(QueueUrl=created)


@pytest.fixture(params=BOTH)
def queues(request):
    if request.param == "fake":
        return FakeQueues(FakeQueue())
    return request.getfixturevalue("sqs_queues")


@dataclass
class FakeTopics:
    """A topic, and the messages that it delivers."""

    topic: FakeTopic

    def arrived(self):
        return [event.body for event in self.topic.sent]


@dataclass
class SnsTopics:
    topic: SnsTopic
    queues: SqsQueues

    def messages(self):
        """Take everything that was delivered; SNS may need a moment."""
        found = []
        while batch := self.queues.client.receive_message(
            QueueUrl=self.queues.queue.url,
            MessageAttributeNames=["All"],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
        ).get("Messages", []):
            found += batch
        return found

    def arrived(self):
        return [message["Body"] for message in self.messages()]


@pytest.fixture
def sns_topics(clients, sqs_queues):
    sns = clients.sns()
    arn = sns.create_topic(Name=f"topic-{uuid4()}")["TopicArn"]
    subscribe(sqs_queues.client, sns, arn, sqs_queues.queue.url)
    yield SnsTopics(SnsTopic(sns, arn), sqs_queues)
    sns.delete_topic(TopicArn=arn)


@pytest.fixture(params=BOTH)
def topics(request):
    if request.param == "fake":
        return FakeTopics(FakeTopic())
    return request.getfixturevalue("sns_topics")
