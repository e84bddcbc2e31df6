"""The relay's side of the outbox: shards under a lease, rows that wait to be published.

A row waits as long as it is in the sparse index ``outbox``: presence there is the cursor, so
clock skew and late commits cannot make the relay skip one. The lease of a shard saves
duplicates; it is not needed against loss. Consumers recognise a repeat by its event id.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from botocore.exceptions import ClientError

from workers.aws.errors import code_of, translated
from workers.aws.outbox_rows import (
    SHARDS,
    event_id_of,
    event_of,
    published,
    row_key,
    sortable,
)
from workers.aws.transact import CONDITION, Cancelled, Write, write
from workers.envelope import Encoded, EnvelopeError
from workers.runtime.errors import LeaseLost

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX: Final = "outbox"
STUCK: Final = "stuck"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to publish a shard. A later one of the same shard has a higher ``fence``."""

    shard: int
    owner: str
    fence: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits; without ``event`` if there is nothing that SNS could be told of it."""

    event_id: str
    event: Encoded | None
    problem: str = ""


@dataclass(frozen=True)
class Outbox:
    """The unpublished events of a table. Every method raises what ``runtime.ports`` says."""

    SHARDS: ClassVar[int] = SHARDS

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.time  # epoch seconds

    def acquire(self, shard: int, owner: str, now: datetime, seconds: float) -> Lease | None:
        """Take or renew the lease of a shard for ``seconds``; None while another holds it.

        Each success raises the fence: earlier leases of the shard are void.
        """
        until = now + timedelta(seconds=seconds)
        with translated("dynamodb"):
            try:
                taken = self.client.update_item(
                    TableName=self.table,
                    Key=_lease_key(shard),
                    UpdateExpression="SET leaseOwner = :me, leaseUntil = :until ADD fence :one",
                    ConditionExpression=(
                        "attribute_not_exists(pk) OR leaseUntil < :now OR leaseOwner = :me"
                    ),
                    ExpressionAttributeValues={
                        ":me": {"S": owner},
                        ":now": {"N": f"{now.timestamp():.6f}"},
                        ":one": {"N": "1"},
                        ":until": {"N": f"{until.timestamp():.6f}"},
                    },
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return Lease(shard, owner, int(taken["Attributes"]["fence"]["N"]), until)

    def release(self, lease: Lease) -> None:
        """Let another owner take the shard at once; does nothing if one has it already."""
        end = {
            "TableName": self.table,
            "Key": _lease_key(lease.shard),
            "UpdateExpression": "SET leaseUntil = :past",
            **_still_ours(lease),
        }
        end["ExpressionAttributeValues"] |= {":past": {"N": "0"}}
        with (
            translated("dynamodb"),
            suppress(self.client.exceptions.ConditionalCheckFailedException),
        ):
            self.client.update_item(**end)

    def due(self, shard: int, before: datetime, limit: int) -> list[Row]:
        """Up to ``limit`` rows that wait since before ``before``, oldest first.

        The index lags: a row published a moment ago may still show.
        """
        return [_row(item) for item in self._waiting(shard, limit, before)]

    def mark_published(self, lease: Lease, event_ids: Sequence[str]) -> None:
        """Take rows out of the index, all of them or none.

        Raises ``LeaseLost`` if another owner has the shard by now, ``Conflict`` if another
        transaction touches a row at this moment, ``PermanentError`` for more than 99 rows.
        """
        now = self.clock()
        self._write_under(lease, [published(self.table, event_id, now) for event_id in event_ids])

    def mark_published_direct(self, event_ids: Sequence[str]) -> None:
        """Take rows out of the index without a lease: whoever committed has just published."""
        with translated("dynamodb"):
            for event_id in event_ids:
                self.client.update_item(**published(self.table, event_id, self.clock()))

    def set_aside(self, lease: Lease, event_id: str, reason: str) -> None:
        """Move a row that will never be accepted out of the way. Raises as ``mark_published``."""
        aside = {
            "TableName": self.table,
            "Key": row_key(event_id),
            "UpdateExpression": "SET outboxShard = :stuck, stuckReason = :reason",
            "ConditionExpression": "attribute_exists(outboxOrder)",
            "ExpressionAttributeValues": {":stuck": {"S": STUCK}, ":reason": {"S": reason}},
        }
        self._write_under(lease, [aside])

    def stuck_count(self) -> int:
        """Count the rows set aside."""
        query = self._query(STUCK) | {"Select": "COUNT"}
        with translated("dynamodb"):
            pages = self.client.get_paginator("query").paginate(**query)
            return sum(page["Count"] for page in pages)

    def oldest(self, shard: int) -> datetime | None:
        """Since when the longest-waiting event of a shard waits."""
        rows = self._waiting(shard, limit=1)
        if not rows:
            return None
        return datetime.fromisoformat(rows[0]["outboxOrder"]["S"].partition("#")[0])

    def _waiting(self, shard: int, limit: int, before: datetime | None = None) -> list[Any]:
        query = self._query(str(shard)) | {"Limit": limit}
        if before is not None:
            query["KeyConditionExpression"] += " AND outboxOrder < :before"
            query["ExpressionAttributeValues"] |= {":before": {"S": sortable(before)}}
        with translated("dynamodb"):
            return self.client.query(**query)["Items"]

    def _query(self, shard: str) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "IndexName": INDEX,
            "KeyConditionExpression": "outboxShard = :shard",
            "ExpressionAttributeValues": {":shard": {"S": shard}},
        }

    def _write_under(self, lease: Lease, updates: Sequence[dict[str, Any]]) -> None:
        """Write only if the lease still stands. Its end is not asked for: clocks disagree."""
        check = {"TableName": self.table, "Key": _lease_key(lease.shard), **_still_ours(lease)}
        writes: list[Write] = [{"ConditionCheck": check}, *({"Update": u} for u in updates)]
        try:
            write(self.client, writes)
        except Cancelled as cancelled:
            if cancelled.code(0) == CONDITION:
                raise LeaseLost(f"outbox: another relay has shard {lease.shard}") from cancelled
            raise cancelled.error() from cancelled


def _lease_key(shard: int) -> dict[str, Any]:
    return {"pk": {"S": f"lease#outbox#{shard}"}}


def _still_ours(lease: Lease) -> dict[str, Any]:
    return {
        "ConditionExpression": "leaseOwner = :me AND fence = :fence",
        "ExpressionAttributeValues": {
            ":me": {"S": lease.owner},
            ":fence": {"N": str(lease.fence)},
        },
    }


def _row(item: Any) -> Row:
    try:
        return Row(event_id_of(item), event_of(item))
    except EnvelopeError as error:
        return Row(event_id_of(item), None, f"unreadable: {error}")
