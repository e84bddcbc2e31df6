"""Every port in two implementations: the fake, and the adapter on the embedded AWS."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from contract.ports.adapters import *  # noqa: F403 - fixtures
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
from workers.aws.payloads import S3Payloads
from workers.aws.payment_ledger import PaymentLedger
from workers.aws.simulated_gateway import SimulatedGateway
from workers.gateways.stripe import StripeGateway
from workers.gateways.stripe_api import StripeApi
from workers.settings import Settings

BOTH = ("fake", pytest.param("aws", marks=pytest.mark.integration))


@pytest.fixture(scope="session")
def clients(aws_endpoint):
    assert aws_endpoint
    return Clients.connect(Settings(stop_timeout=11), threads=4)


@pytest.fixture(params=BOTH)
def store(request):
    if request.param == "fake":
        return FakeStore()
    return request.getfixturevalue("dynamo_store")


@pytest.fixture(params=BOTH)
def roster(request):
    if request.param == "fake":
        return FakeRoster()
    return request.getfixturevalue("dynamo_roster")


@pytest.fixture(params=BOTH)
def allowance(request):
    if request.param == "fake":
        return FakeAllowance()
    return request.getfixturevalue("mail_allowance")


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


@pytest.fixture(params=BOTH)
def orders(request):
    if request.param == "fake":
        store = FakeStore(outbox=True)
        outbox = FakeOutbox(store)
        return FakeOrders(store, outbox, outbox.leases, store.clock)
    return request.getfixturevalue("dynamo_orders")


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


@pytest.fixture(params=BOTH)
def topics(request):
    if request.param == "fake":
        return FakeTopics(FakeTopic())
    return request.getfixturevalue("sns_topics")
