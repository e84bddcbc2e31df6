"""A service's table: its documents, and its inbox of what it has handled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.aws.outbox_rows import waiting
from workers.aws.transact import CONDITION, CONFLICT, Cancelled, Write, write
from workers.aws.transaction import DynamoTransaction
from workers.envelope import decode
from workers.runtime.errors import InProgress
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.ports import Outcomes, Record, Transaction

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Time to live never appears in a condition: a row that expired but is still there counts.


@dataclass(frozen=True)
class DynamoStore:
    """The port ``Store``, on one table. With ``outbox`` each outcome also gets an outbox row."""

    client: "DynamoDBClient"
    table: str
    outbox: bool = False
    retention: timedelta = INBOX_RETENTION
    clock: Callable[[], float] = time.time  # epoch seconds

    def recall(self, key: str) -> Record | None:
        """Look up what handling led to; see ``Store``."""
        with translated("dynamodb"):
            item = self.client.get_item(
                TableName=self.table, Key={"pk": {"S": f"inbox#{key}"}}, ConsistentRead=True
            ).get("Item")
        return _record(item) if item else None

    def begin(
        self,
        key: str,
        *,
        guard: Callable[[], None] | None = None,
        fingerprint: str = "",
        optimistic: bool = False,
    ) -> Transaction:
        """Start the transaction that handles ``key``; see ``Store``."""
        return DynamoTransaction(self.client, self.table, key, guard, fingerprint, optimistic)

    def commit(self, transaction: Transaction, outcomes: Outcomes) -> Record:
        """Write everything in one TransactWriteItems; see ``Store``.

        Raises ``InProgress`` where the inbox row itself is being written at this moment.
        """
        if not isinstance(transaction, DynamoTransaction):
            raise TypeError("a transaction of another store")
        transaction.check()
        rows = [waiting(self.table, outcome) for outcome in outcomes] if self.outbox else []
        try:
            write(
                self.client,
                [self._inbox_row(transaction, outcomes), *transaction.writes(), *rows],
            )
        except Cancelled as cancelled:
            return self._found(transaction.key, cancelled)
        return Record(tuple(outcomes), fingerprint=transaction.fingerprint)

    def count_attempt(self, key: str, reason: str) -> int:
        """Count one failed attempt; see ``Store``. A repeated reply may count it twice."""
        with translated("dynamodb"):
            counted = self.client.update_item(
                TableName=self.table,
                Key={"pk": {"S": f"attempts#{key}"}},
                UpdateExpression="ADD attempts :one SET #reason = :reason, #at = :at, expires = :x",
                ExpressionAttributeNames={"#reason": "reason", "#at": "at"},
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":reason": {"S": reason},
                    ":at": {"N": str(int(self.clock()))},
                    ":x": {"N": self._expiry()},
                },
                ReturnValues="UPDATED_NEW",
            )
        return int(counted["Attributes"]["attempts"]["N"])

    def _inbox_row(self, transaction: DynamoTransaction, outcomes: Outcomes) -> Write:
        row = {
            "outcomes": [outcome.encode() for outcome in outcomes],
            "fingerprint": transaction.fingerprint,
        }
        return {
            "Put": {
                "TableName": self.table,
                "Item": {
                    "pk": {"S": f"inbox#{transaction.key}"},
                    "expires": {"N": self._expiry()},
                    **to_item(row),
                },
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _found(self, key: str, cancelled: Cancelled) -> Record:
        """Give the record in our way, or raise for what else was."""
        match cancelled.code(0):
            case code if code == CONDITION:
                item = cancelled.reasons[0].get("Item")
                record = _record(item) if item else self.recall(key)
                if record is not None:
                    return record
                raise cancelled.error() from cancelled
            case code if code == CONFLICT:
                raise InProgress(f"dynamodb: {key} is being handled") from cancelled
            case _:
                raise cancelled.error() from cancelled

    def _expiry(self) -> str:
        return str(int(self.clock() + self.retention.total_seconds()))


def _record(item: Any) -> Record:
    row = to_document(item)
    bodies = row["outcomes"]
    assert isinstance(bodies, list)  # noqa: S101 - written by _inbox_row
    return Record(tuple(map(decode, bodies)), repeated=True, fingerprint=str(row["fingerprint"]))
