"""The limit of mails per recipient and hour, exact over all workers.

A mail is counted before it is sent: counted with the record of the sent mail, forty workers could
each find one left and send forty. The row of a recipient and hour holds the references of its
mails as a set, so a redelivered message finds its own and takes no second one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import Counter

from workers.aws.errors import translated
from workers.runtime.observability.emf import CloudWatchMetric
from workers.services.notification import MAILS_PER_HOUR

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HOUR: Final = int(timedelta(hours=1).total_seconds())
KEPT: Final = 2 * HOUR  # s from the start of the hour; after it DynamoDB may delete the row
CLOUDWATCH_METRICS: Final = (CloudWatchMetric("MailsWithheld", "mails_withheld"),)

log = structlog.get_logger()


def _counter() -> Counter:
    # Whoever builds the service registers it: the registry is that of the receive loop.
    return Counter("mails_withheld", "Mails over the hourly limit of a recipient", registry=None)


@dataclass(frozen=True)
class MailAllowance:
    """Implements ``Allowance`` with a row per recipient and hour in notification's table."""

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.time  # epoch seconds
    withheld: Counter = field(default_factory=_counter)

    def take(self, to: str, reference: str) -> bool:
        """Take one mail of this hour; see ``Allowance``. One conditional write."""
        hour = int(self.clock()) // HOUR
        with translated("dynamodb"):
            try:
                self.client.update_item(
                    TableName=self.table,
                    Key={"pk": {"S": key_of(to, hour)}},
                    UpdateExpression="ADD mails :mail SET expires = :expires",
                    ConditionExpression="attribute_not_exists(mails) OR size(mails) < :most"
                    " OR contains(mails, :reference)",
                    ExpressionAttributeValues={
                        ":mail": {"SS": [reference]},
                        ":reference": {"S": reference},
                        ":most": {"N": str(MAILS_PER_HOUR)},
                        ":expires": {"N": str(hour * HOUR + KEPT)},
                    },
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                self.withheld.inc()
                log.warning("mail.withheld", reference=reference, limit=MAILS_PER_HOUR)
                return False
        return True


def key_of(to: str, hour: int) -> str:
    """Return the key of a recipient's row. It has a hash of the address, not the address.

    Case and a tag (``ada+news@``) make no other recipient. The few domains where they do share
    the limit of one.
    """
    local, _, domain = to.lower().rpartition("@")
    recipient = f"{local.partition('+')[0] or local}@{domain}"
    return f"mails#{sha256(recipient.encode()).hexdigest()[:32]}#{hour}"
