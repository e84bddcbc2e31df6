"""The DynamoDB store: a service's documents and its inbox, in one table."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.aws import failure_rows, references
from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.aws.outbox_rows import waiting
from workers.aws.transact import CONDITION, CONFLICT, Cancelled, Write, write
from workers.aws.transaction import DynamoTransaction
from workers.glimpse import Glimpse
from workers.runtime.errors import InProgress
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.ports import (
    Attempt,
    AttemptLog,
    FailedAttempt,
    FailureLog,
    Handling,
    Outcomes,
    Record,
    Transaction,
)
from workers.times import iso

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# All attempts to handle a message are in one row: a field per delivery, named by receive count.
_DELIVERY: Final = "delivery-"

# No condition uses the time to live: an expired row counts until DynamoDB deletes it.


@dataclass(frozen=True)
class DynamoStore:
    """Implements ``Store`` on one table. With ``outbox``, each outcome also gets an outbox row."""

    client: "DynamoDBClient"
    table: str
    outbox: bool = False
    retention: timedelta = INBOX_RETENTION
    clock: Callable[[], float] = time.time  # epoch seconds

    def recall(self, key: str) -> Record | None:
        """Look up the record of an earlier handling; see ``Store``."""
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
        handling: Handling | None = None,
    ) -> Transaction:
        """Start the transaction that handles ``key``; see ``Store``."""
        return DynamoTransaction(
            self.client, self.table, {key: handling}, guard, fingerprint, optimistic
        )

    def begin_together(
        self,
        handlings: Mapping[str, Handling],
        *,
        guard: Callable[[], None],
        optimistic: bool = False,
    ) -> Transaction:
        """Start the transaction that handles several keys; see ``Store``."""
        return DynamoTransaction(self.client, self.table, handlings, guard, "", optimistic)

    def commit(self, transaction: Transaction, outcomes: Outcomes) -> Record:
        """Write everything in one TransactWriteItems; see ``Store``.

        Raises ``InProgress`` if another transaction is writing the inbox row at this moment.
        """
        transaction = _ours(transaction)
        transaction.check()
        (key,) = transaction.handlings
        now = self.clock()
        rows = [waiting(self.table, event, now) for event in outcomes] if self.outbox else []
        try:
            write(
                self.client,
                [self._inbox_row(transaction, key, outcomes), *transaction.writes(), *rows],
            )
        except Cancelled as cancelled:
            return self._existing(key, cancelled)
        return Record(tuple(outcomes), fingerprint=transaction.fingerprint)

    def commit_together(self, transaction: Transaction) -> frozenset[str]:
        """Write everything in one TransactWriteItems; see ``Store``."""
        transaction = _ours(transaction)
        transaction.check()
        keys = list(transaction.handlings)
        rows = [self._inbox_row(transaction, key, ()) for key in keys]
        try:
            write(self.client, [*rows, *transaction.writes()])
        except Cancelled as cancelled:
            # The reasons are in the order of the writes, and the inbox rows come first.
            known = {key for n, key in enumerate(keys) if cancelled.code(n) == CONDITION}
            if not known:
                raise cancelled.error() from cancelled
            return frozenset(known)
        return frozenset()

    def attempts(self, message_id: str) -> AttemptLog:
        """Look up the recorded attempts of a message; see ``Store``."""
        with translated("dynamodb"):
            item = self.client.get_item(
                TableName=self.table, Key=_attempts_key(message_id), ConsistentRead=True
            ).get("Item")
        return _attempt_log(item) if item else AttemptLog()

    def record_attempt(self, message_id: str, attempt: Attempt, *, returned: bool) -> AttemptLog:
        """Record an attempt; see ``Store``. Repeating the call changes nothing."""
        record = {"at": attempt.at, "worker": attempt.worker, "error": attempt.error}
        sets = ["#delivery = :record", "expires = :expires"]
        values = {**to_item({":record": record}), ":expires": {"N": self._expiry()}}
        if returned:
            sets.append("returned = :returned")
            values[":returned"] = {"N": str(attempt.receive_count)}
        with translated("dynamodb"):
            item = self.client.update_item(
                TableName=self.table,
                Key=_attempts_key(message_id),
                UpdateExpression=f"SET {', '.join(sets)}",
                ExpressionAttributeNames={"#delivery": _delivery(attempt.receive_count)},
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )["Attributes"]
        return _attempt_log(item)

    def excuse_attempt(self, message_id: str, receive_count: int, *, returned: bool) -> None:
        """Remove a recorded attempt; see ``Store``."""
        values = {":expires": {"N": self._expiry()}}
        expression = "REMOVE #delivery SET expires = :expires"
        if returned:
            expression += ", returned = :returned"
            values[":returned"] = {"N": str(receive_count)}
        with translated("dynamodb"):
            self.client.update_item(
                TableName=self.table,
                Key=_attempts_key(message_id),
                UpdateExpression=expression,
                ExpressionAttributeNames={"#delivery": _delivery(receive_count)},
                ExpressionAttributeValues=values,
            )

    def record_failure(
        self, key: str, about: Glimpse, attempt: FailedAttempt, *, found: bool = False
    ) -> None:
        """Record a failed attempt; see ``Store``. Repeating the call changes only a count."""
        expires = str(int(self.clock() + failure_rows.RETENTION.total_seconds()))
        update = failure_rows.update_of(
            self.table, key, about, attempt, expires=expires, found=found
        )
        failure_rows.write(self.client, update)

    def failures(self, key: str) -> FailureLog:
        """Read the failed attempts at an event; see ``Store``."""
        return failure_rows.read(self.client, self.table, key)

    def _inbox_row(self, transaction: DynamoTransaction, key: str, outcomes: Outcomes) -> Write:
        return {
            "Put": {
                "TableName": self.table,
                "Item": {
                    "pk": {"S": f"inbox#{key}"},
                    "expires": {"N": self._expiry()},
                    "outcomes": {"L": [{"S": outcome.body} for outcome in outcomes]},
                    **references.attributes_of(outcomes),
                    "fingerprint": {"S": transaction.fingerprint},
                    "at": {"S": iso(self.clock())},
                    **_timeline(transaction.handlings[key]),
                },
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _existing(self, key: str, cancelled: Cancelled) -> Record:
        """Return the existing record that cancelled our commit, or raise the actual error."""
        match cancelled.code(0):
            case code if code == CONDITION:
                item = cancelled.reasons[0].get("Item")
                record = _record(item) if item else self.recall(key)
                if record is not None:
                    return record
                raise cancelled.error() from cancelled
            case code if code == CONFLICT:
                raise InProgress(f"dynamodb: another request is handling {key}") from cancelled
            case _:
                raise cancelled.error() from cancelled

    def _expiry(self) -> str:
        return str(int(self.clock() + self.retention.total_seconds()))


def _ours(transaction: Transaction) -> DynamoTransaction:
    if not isinstance(transaction, DynamoTransaction):
        raise TypeError("the transaction belongs to another store")
    return transaction


def _timeline(handling: Handling | None) -> dict[str, Any]:
    """Return what an operator wants to know of the handling; nothing reads it to decide."""
    if handling is None:
        return {}
    return {
        "sentAt": {"S": iso(handling.sent_at)},
        "startedAt": {"S": iso(handling.started_at)},
        "receiveCount": {"N": str(handling.receive_count)},
        "messageId": {"S": handling.message_id},
        "worker": {"S": handling.worker},
        "version": {"S": handling.version},
    }


def _record(item: Any) -> Record:
    fingerprint = item["fingerprint"]["S"]
    return Record(references.outcomes_of(item), repeated=True, fingerprint=fingerprint)


def _attempts_key(message_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"attempts#{message_id}"}}


def _delivery(receive_count: int) -> str:
    """Return the name of the field that records a delivery's attempt."""
    return f"{_DELIVERY}{receive_count}"


def _attempt_log(item: Any) -> AttemptLog:
    row = to_document(item)
    attempts = [
        Attempt(
            int(name.removeprefix(_DELIVERY)),
            at=str(record.get("at", "")),
            worker=str(record.get("worker", "")),
            error=str(record.get("error", "")),
        )
        for name, record in row.items()
        if name.startswith(_DELIVERY) and isinstance(record, dict)
    ]
    returned = row.get("returned", 0)
    return AttemptLog(
        tuple(sorted(attempts, key=lambda attempt: attempt.receive_count)),
        returned if isinstance(returned, int) else 0,
    )
