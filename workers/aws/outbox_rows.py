"""Outbox rows: written with the order, marked once published.

A row holds the event exactly as it is sent: the body, byte for byte, and the attributes. The
publisher need not know its type.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workers.aws.transact import Write
from workers.envelope import Encoded
from workers.events import group_of

# Number of index partitions that orders are spread over; each takes about 500 events per second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 4
PUBLISHED_RETENTION: Final = timedelta(days=7)


def row_key(event_id: str) -> dict[str, Any]:
    """Return the key of an event's row."""
    return {"pk": {"S": f"outbox#{event_id}"}}


def waiting(table: str, event: Encoded, now: float) -> Write:
    """Return the write of an unpublished event's row; ``now`` (epoch seconds) is its time."""
    item = {
        **row_key(event.event_id),
        "body": {"S": event.body},
        "attributes": {"M": {name: {"S": text} for name, text in event.attributes.items()}},
        "outboxShard": {"S": str(shard_of(event))},
        "outboxOrder": {"S": f"{sortable(datetime.fromtimestamp(now, UTC))}#{event.event_id}"},
    }
    return {"Put": {"TableName": table, "Item": item}}


def event_of(item: Any) -> Encoded:
    """Read the event of a row. Earlier versions stored no attributes: derive them from the body.

    Raises ``EnvelopeError`` if that is impossible.
    """
    body = item["body"]["S"]
    if "attributes" not in item:
        return Encoded.read(body)
    stored = item["attributes"]["M"]
    return Encoded(event_id_of(item), body, {name: text["S"] for name, text in stored.items()})


def event_id_of(item: Any) -> str:
    """Read the event id from a row's key."""
    return str(item["pk"]["S"].partition("#")[2])


def since_of(item: Any) -> datetime:
    """Read the time at which a row was written."""
    return datetime.fromisoformat(item["outboxOrder"]["S"].partition("#")[0])


def published(table: str, event_id: str, now: float) -> dict[str, Any]:
    """Return the update that removes a row from the index.

    The row itself stays for ``PUBLISHED_RETENTION``, so that an order can be traced.
    """
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
    """Format a time so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def shard_of(event: Encoded) -> int:
    """Return the shard of an event. Those of one group share one, which publishes in order."""
    return zlib.crc32(group_of(event).encode()) % SHARDS
