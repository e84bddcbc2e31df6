"""This project's payment service with its real store and topic.

Only the gateway is replaced: it is not AWS, and the simulated gateway would add requests.
"""

from decimal import Decimal
from typing import Any

import worker

from workers.aws.dynamodb import DynamoStore
from workers.aws.sns import SnsTopic
from workers.services.payment import Payment

TOPIC = "arn:aws:sns:eu-west-1:000000000000:order-events"


class Gateway:
    """Approves every charge at once."""

    def charge(self, _order_id: str, _amount: Decimal, _currency: str, **told: Any) -> str:
        """Take the money."""
        return told["idempotency_key"]

    def refund(self, _charge_key: str, **_: str) -> None:
        """Do nothing: nothing is refunded here."""


dynamodb, topic = worker.clients.dynamodb(), SnsTopic(worker.clients.sns(), TOPIC)
if worker.tracing:
    worker.tracing.dynamodb(dynamodb, worker.NAME)
worker.run(
    Payment(Gateway(), allow_simulation=False),
    store=DynamoStore(dynamodb, worker.NAME),
    topic=worker.tracing.topic(topic) if worker.tracing else topic,
)
