"""Payment's queue, dead-letter queue and table, under a unique prefix."""

import os
from uuid import uuid4

from support.builders import THIS_RUN, an_envelope, an_order
from workers.aws.sqs import depth
from workers.ops.dlq import look
from workers.provision.provision import provision
from workers.settings import Settings
from workers.topology import Topology, dlq_name, queue_name

SERVICE = "payment"
STOP_TIMEOUT = 6  # s: polls wait 1 s, handlers get 4.5 s after the signal


class World:
    """One service on an emulator, with methods to send messages and check the results."""

    def __init__(self, aws, sqs, dynamodb, gates):
        self.aws, self.sqs, self.dynamodb = aws, sqs, dynamodb
        self.prefix = f"p{uuid4().hex[:8]}-"
        self.gates = gates
        whole = Topology.load()
        part = {
            "services": {SERVICE: whole.services[SERVICE]},
            "tables": {SERVICE: whole.tables[SERVICE]},
        }
        report = provision(Settings(name_prefix=self.prefix), whole.model_copy(update=part))
        self.queue_url = report.queue_urls[self.prefix + queue_name(SERVICE)]
        self.dlq_url = report.queue_urls[self.prefix + dlq_name(SERVICE)]

    @property
    def environment(self):
        return self.aws.environment(os.environ) | {
            "GATES": str(self.gates),
            "METRICS_PORT": "0",
            "NAME_PREFIX": self.prefix,
            "STOP_TIMEOUT": str(STOP_TIMEOUT),
        }

    def send(self, *order_ids):
        """Send one order.created per id to the queue."""
        for start in range(0, len(order_ids), 10):
            batch = [
                {"Id": str(position), "MessageBody": _body(order_id)}
                for position, order_id in enumerate(order_ids[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=batch)

    def open_gate(self, order_id):
        (self.gates / order_id).touch()

    @property
    def waiting(self):
        """The number of visible messages."""
        return depth(self.sqs, self.queue_url).visible

    @property
    def in_flight(self):
        return depth(self.sqs, self.queue_url).in_flight

    @property
    def dead(self):
        return depth(self.sqs, self.dlq_url).visible

    def dead_letters(self):
        """Return the dead letters with their reasons."""
        return look(self.sqs, self.dlq_url)

    @property
    def requests(self):
        """Count the requests to the queue, by operation."""
        return self.aws.requests()["queues"].get(self.prefix + queue_name(SERVICE), {})

    def effects(self, order_id):
        """Return how often an order's effect was committed."""
        found = self.dynamodb.get_item(
            TableName=self.prefix + SERVICE,
            Key={"pk": {"S": f"effect#{order_id}"}},
            ConsistentRead=True,
        )
        return int(found["Item"]["times"]["N"]) if "Item" in found else 0


def _body(order_id):
    order = an_order(order_id=order_id)
    return an_envelope(order, event_id=f"event-{order_id}", occurred_at=THIS_RUN).encode()
