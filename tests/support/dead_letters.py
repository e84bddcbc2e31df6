"""Puts dead letters into a queue, as a worker would, and commands that read them."""

import json

from typer.testing import CliRunner

from support.builders import THIS_RUN, an_envelope, an_order
from workers import cli
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.fifo import ids

UNREADABLE = "not json"


class Dead:
    """Payment's queues and table on the embedded AWS."""

    def __init__(self, settings):
        self.settings = settings
        clients = Clients.connect(settings, threads=8)
        self.sqs, self.dynamodb = clients.control(), clients.dynamodb()
        self.table = f"{settings.name_prefix}payment"
        self.queue = names.queue_url(self.sqs, settings, "payment")
        self.dlq = names.dlq_url(self.sqs, settings, "payment")

    def add(self, *order_ids, body=None, url=None, **failure):
        """Dead-letter one ``order.created`` per id, or a body, with attributes ``failure.*``."""
        texts = {"type": "TimeoutError", "reason": "no answer", "attempts": "3"} | failure
        texts |= {"at": "2026-11-21T10:00:00+00:00"} if "at" not in failure else {}
        attributes = {
            f"failure.{name}": {"DataType": "String", "StringValue": text}
            for name, text in texts.items()
        }
        bodies = [body] if body else [event(order_id) for order_id in order_ids]
        for start in range(0, len(bodies), 10):
            self.sqs.send_message_batch(
                QueueUrl=url or self.dlq,
                Entries=[
                    {"Id": str(i), "MessageBody": text, "MessageAttributes": attributes}
                    for i, text in enumerate(bodies[start : start + 10])
                ],
            )

    def add_in_order(self, *events, url=None):
        """Dead-letter events, (order id, number) each, in the groups of their orders."""
        for order_id, number in events:
            self.sqs.send_message(
                QueueUrl=url or self.dlq,
                MessageBody=numbered(order_id, number),
                **ids(order_id, f"{order_id}/{number}"),
            )

    def send_unreadable(self, group):
        """Dead-letter a body that is no event, in a group."""
        own = ids(group, "unreadable")
        self.sqs.send_message(QueueUrl=self.dlq, MessageBody=UNREADABLE, **own)

    def groups(self, url=None):
        """Drain a FIFO queue; return the numbers of its events by group, in order."""
        found = {}
        for message in self.drain(url):
            _, _, number = json.loads(message["Body"])["eventId"].rpartition("-")
            found.setdefault(message["Attributes"]["MessageGroupId"], []).append(int(number))
        return found

    def handled(self, *order_ids):
        """Commit an inbox row for the events of orders."""
        for order_id in order_ids:
            self.put(f"inbox#order-api#event-{order_id}", outcomes={"L": []})

    def put(self, key, **fields):
        self.dynamodb.put_item(TableName=self.table, Item={"pk": {"S": key}} | fields)

    def row(self, key):
        found = self.dynamodb.get_item(
            TableName=self.table, Key={"pk": {"S": key}}, ConsistentRead=True
        )
        return found.get("Item", {})

    def hold(self, most=10, seconds=60):
        """Receive dead letters, like another reader."""
        found = self.sqs.receive_message(
            QueueUrl=self.dlq,
            MaxNumberOfMessages=most,
            VisibilityTimeout=seconds,
            WaitTimeSeconds=0,
        )
        return found.get("Messages", [])

    def drain(self, url=None):
        """Receive and delete every message of the queue."""
        found = []
        while batch := self.sqs.receive_message(
            QueueUrl=url or self.queue,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            WaitTimeSeconds=0,
        ).get("Messages", []):
            for message in batch:
                self.sqs.delete_message(
                    QueueUrl=url or self.queue, ReceiptHandle=message["ReceiptHandle"]
                )
            found += batch
        return found

    def orders(self, url=None):
        """Drain the queue; return the order ids, sorted."""
        return sorted(json.loads(m["Body"])["data"]["orderId"] for m in self.drain(url))

    def left(self):
        """Drain the dead-letter queue; return the order ids, sorted."""
        return self.orders(self.dlq)


def event(order_id):
    order = an_order(order_id=order_id)
    return an_envelope(order, event_id=f"event-{order_id}", occurred_at=THIS_RUN).encode()


def numbered(order_id, number):
    """Return one of several events about an order."""
    order = an_order(order_id=order_id)
    return an_envelope(order, event_id=f"event-{order_id}-{number}", occurred_at=THIS_RUN).encode()


def run(*arguments, code=0):
    """Run a command in this process; return the result."""
    result = CliRunner().invoke(cli.build(), [str(each) for each in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def document(*arguments, code=0):
    """Run a command with ``--json``; return the document."""
    return json.loads(run(*arguments, "--json", code=code).stdout)
