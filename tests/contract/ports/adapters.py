"""The adapters on AWS as fixtures, for every folder with a fixture ``clients``."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from support.aws_calls import create_table, subscribe
from support.fakes import FakeClock

from workers.aws.dynamodb import DynamoStore
from workers.aws.heartbeats import DynamoRoster
from workers.aws.mail_allowance import MailAllowance
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue


@pytest.fixture
def dynamodb(clients):
    return clients.dynamodb()


@pytest.fixture
def table(dynamodb):
    """Create a table with the outbox index, as in production."""
    name = create_table(dynamodb, outbox=("outboxShard", "outboxOrder"))
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def dynamo_store(dynamodb, table):
    return DynamoStore(dynamodb, table)


@pytest.fixture
def dynamo_roster(dynamodb, table):
    return DynamoRoster(dynamodb, table)


@pytest.fixture
def mail_allowance(dynamodb, table):
    return MailAllowance(dynamodb, table, FakeClock())


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


@pytest.fixture
def dynamo_orders(dynamodb, table):
    clock = FakeClock()
    store = DynamoStore(dynamodb, table, outbox=True, clock=clock)
    return DynamoOrders(store, Outbox(dynamodb, table), OutboxLeases(dynamodb, table), clock)


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
