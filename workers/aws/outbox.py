"""The outbox as the relay sees it: rows to publish, in shards.

A row is unpublished as long as it is in the sparse index ``outbox``. There is no other cursor, so
clock skew and late commits cannot make the relay skip a row. A shard's lease avoids duplicates;
it is not needed to prevent loss. Consumers recognize duplicates by event id.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from workers.aws.errors import translated
from workers.aws.outbox_leases import ShardLease, key_of, still_held
from workers.aws.outbox_rows import (
    SHARDS,
    event_id_of,
    event_of,
    published,
    row_key,
    shard_of,
    since_of,
)
from workers.aws.transact import CONDITION, Cancelled, Write, write
from workers.envelope import Encoded, EnvelopeError
from workers.runtime.errors import LeaseLost

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX: Final = "outbox"
STUCK: Final = "stuck"


@dataclass(frozen=True, slots=True)
class Row:
    """An unpublished event."""

    event_id: str
    since: datetime
    event: Encoded | None  # None if the row cannot be read
    problem: str = ""  # the reason why it cannot be read, or why it was set aside


@dataclass(frozen=True)
class Outbox:
    """The unpublished events of a table. Methods raise the errors that ``runtime.ports`` names."""

    SHARDS: ClassVar[int] = SHARDS

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.time  # epoch seconds

    def waiting(self, shard: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows of a shard, oldest first.

        The index is eventually consistent: it may still have a row that was just published.
        """
        query = self._query(str(shard)) | {"Limit": limit}
        with translated("dynamodb"):
            return [_row(item) for item in self.client.query(**query)["Items"]]

    def mark_published(self, lease: ShardLease, event_ids: Sequence[str]) -> None:
        """Remove rows from the index, all of them or none.

        Raises ``LeaseLost`` if another relay has taken the shard, ``Conflict`` if another
        transaction is writing one of the rows, ``PermanentError`` for more than 99 rows.
        """
        now = self.clock()
        self._write_under(lease, [published(self.table, event_id, now) for event_id in event_ids])

    def mark_published_direct(self, event_ids: Sequence[str]) -> None:
        """Remove rows from the index without a lease, in the process that just published them."""
        with translated("dynamodb"):
            for event_id in event_ids:
                self.client.update_item(**published(self.table, event_id, self.clock()))

    def set_aside(self, lease: ShardLease, event_id: str, reason: str) -> None:
        """Set aside a row that SNS will never accept. Raises the errors of ``mark_published``."""
        aside = {
            "TableName": self.table,
            "Key": row_key(event_id),
            "UpdateExpression": "SET outboxShard = :stuck, stuckReason = :reason",
            "ConditionExpression": "attribute_exists(outboxOrder)",
            "ExpressionAttributeValues": {":stuck": {"S": STUCK}, ":reason": {"S": reason}},
        }
        self._write_under(lease, [aside])

    def put_back(self, row: Row) -> bool:
        """Return a row that was set aside to its shard. False if it is no longer set aside."""
        with translated("dynamodb"):
            try:
                self.client.update_item(
                    TableName=self.table,
                    Key=row_key(row.event_id),
                    UpdateExpression="SET outboxShard = :shard REMOVE stuckReason",
                    ConditionExpression="outboxShard = :stuck",
                    ExpressionAttributeValues={
                        ":shard": {"S": str(shard_of(row.event) if row.event else 0)},
                        ":stuck": {"S": STUCK},
                    },
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def stuck(self) -> list[Row]:
        """Return all rows set aside, oldest first; ``problem`` is the reason."""
        with translated("dynamodb"):
            pages = self.client.get_paginator("query").paginate(**self._query(STUCK))
            items = [item for page in pages for item in page["Items"]]
        return [replace(_row(item), problem=item["stuckReason"]["S"]) for item in items]

    def stuck_count(self) -> int:
        """Count the rows set aside."""
        return self._count(STUCK)

    def count(self, shard: int) -> int:
        """Count the rows of a shard. Reads all of them: for operators, not for the relay."""
        return self._count(str(shard))

    def oldest(self, shard: int) -> datetime | None:
        """Return the time of the oldest unpublished event of a shard."""
        rows = self.waiting(shard, limit=1)
        return rows[0].since if rows else None

    def _count(self, shard: str) -> int:
        query = self._query(shard) | {"Select": "COUNT"}
        with translated("dynamodb"):
            pages = self.client.get_paginator("query").paginate(**query)
            return sum(page["Count"] for page in pages)

    def _query(self, shard: str) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "IndexName": INDEX,
            "KeyConditionExpression": "outboxShard = :shard",
            "ExpressionAttributeValues": {":shard": {"S": shard}},
        }

    def _write_under(self, lease: ShardLease, updates: Sequence[dict[str, Any]]) -> None:
        """Write only if we still hold the lease. Its expiry is ignored, because clocks differ."""
        check = {"TableName": self.table, "Key": key_of(lease.shard), **still_held(lease)}
        writes: list[Write] = [{"ConditionCheck": check}, *({"Update": u} for u in updates)]
        try:
            write(self.client, writes)
        except Cancelled as cancelled:
            if cancelled.code(0) == CONDITION:
                raise LeaseLost(f"outbox: another relay owns shard {lease.shard}") from cancelled
            raise cancelled.error() from cancelled


def _row(item: Any) -> Row:
    event_id, since = event_id_of(item), since_of(item)
    try:
        return Row(event_id, since, event_of(item))
    except EnvelopeError as error:
        return Row(event_id, since, None, f"unreadable: {error}")
