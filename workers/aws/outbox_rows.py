"""Outbox rows as they are written: waiting with the order, then published."""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workers.aws.transact import Write
from workers.envelope import Envelope
from workers.events import Event

# Orders spread over so many shards of the index; each takes some 500 events a second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 4
PUBLISHED_RETENTION: Final = timedelta(days=7)


def row_key(event_id: str) -> dict[str, Any]:
    """Give the key of an event's row."""
    return {"pk": {"S": f"outbox#{event_id}"}}


def waiting(table: str, envelope: Envelope[Event]) -> Write:
    """Write the row of an event that is still to be published."""
    item = {
        **row_key(envelope.event_id),
        "body": {"S": envelope.encode()},
        "outboxShard": {"S": str(_shard_of(envelope))},
        "outboxOrder": {"S": f"{sortable(envelope.occurred_at)}#{envelope.event_id}"},
    }
    return {"Put": {"TableName": table, "Item": item}}


def published(table: str, event_id: str, now: float) -> dict[str, Any]:
    """Take the row out of the index. It stays for a while, for those who trace an order."""
    return {
        "TableName": table,
        "Key": row_key(event_id),
        "UpdateExpression": "REMOVE outboxShard, outboxOrder SET publishedAt = :at, expires = :x",
        "ExpressionAttributeValues": {
            ":at": {"S": sortable(datetime.fromtimestamp(now, UTC))},
            ":x": {"N": str(int(now + PUBLISHED_RETENTION.total_seconds()))},
        },
    }


def sortable(moment: datetime) -> str:
    """Write a time so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _shard_of(envelope: Envelope[Event]) -> int:
    """Keep the events of one order in one shard, whichever process writes them."""
    return zlib.crc32(envelope.data.order_id.encode()) % SHARDS
