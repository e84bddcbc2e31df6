"""The ports of tests/contract/ports with one implementation: the adapters on the stand-in.

The stand-in must not answer what AWS would not, or the benchmark would measure something else.
"""

import os
import subprocess
import sys
from uuid import uuid4

import pytest
from contract.ports.conftest import DynamoOrders, SnsTopics, SqsQueues
from support.aws_calls import create_table, subscribe
from support.fakes import FakeClock

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.heartbeats import DynamoRoster
from workers.aws.mail_allowance import MailAllowance
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.settings import Settings


@pytest.fixture(scope="module")
def standin():
    """Start the stand-in, and point the SDK of this process at it for the tests of a module."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.standin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            with pytest.MonkeyPatch.context() as environment:
                for name in [name for name in os.environ if name.startswith("AWS_")]:
                    environment.delenv(name)
                port = int(server.stdout.readline())
                environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
                environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
                environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
                environment.setenv("AWS_REGION", "eu-west-1")
                environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
                yield
        finally:
            server.kill()


@pytest.fixture(scope="module")
def clients(standin):  # noqa: ARG001 - it sets the endpoint
    return Clients.connect(Settings(stop_timeout=11), threads=4)


@pytest.fixture(scope="module")
def dynamodb(clients):
    return clients.dynamodb()


@pytest.fixture
def table(dynamodb):
    name = create_table(dynamodb, outbox=("outboxShard", "outboxOrder"))
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def store(dynamodb, table):
    return DynamoStore(dynamodb, table)


@pytest.fixture
def roster(dynamodb, table):
    return DynamoRoster(dynamodb, table)


@pytest.fixture
def allowance(dynamodb, table):
    return MailAllowance(dynamodb, table, FakeClock())


@pytest.fixture
def orders(dynamodb, table):
    clock = FakeClock()
    store = DynamoStore(dynamodb, table, outbox=True, clock=clock)
    return DynamoOrders(store, Outbox(dynamodb, table), OutboxLeases(dynamodb, table), clock)


@pytest.fixture
def sqs_queues(clients):
    control = clients.control()
    name = f"queue-{uuid4()}"
    url, dlq_url = (control.create_queue(QueueName=n)["QueueUrl"] for n in (name, f"{name}-dlq"))
    queue = SqsQueue(
        clients.poll(), clients.settle(), url, dlq_url, service="payment", visibility_timeout=60
    )
    return SqsQueues(queue, control)


@pytest.fixture
def queues(sqs_queues):
    return sqs_queues


@pytest.fixture
def sns_topics(clients, sqs_queues):
    sns = clients.sns()
    arn = sns.create_topic(Name=f"topic-{uuid4()}")["TopicArn"]
    subscribe(sqs_queues.client, sns, arn, sqs_queues.queue.url)
    return SnsTopics(SnsTopic(sns, arn), sqs_queues)


@pytest.fixture
def topics(sns_topics):
    return sns_topics
