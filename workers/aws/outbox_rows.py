"""Outbox rows: waiting with the order, then published.

A row holds the event as it goes over the wire: its body, byte for byte, and the attributes. So
whoever publishes it need not know its type.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workers.aws.transact import Write
from workers.envelope import Encoded

# Orders spread over so many shards of the index; each takes some 500 events a second.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 4
PUBLISHED_RETENTION: Final = timedelta(days=7)


def row_key(event_id: str) -> dict[str, Any]:
    """Give the key of an event's row."""
    return {"pk": {"S": f"outbox#{event_id}"}}


def waiting(table: str, event: Encoded, now: float) -> Write:
    """Write the row of an event that is still to be published; it waits from ``now`` on."""
    item = {
        **row_key(event.event_id),
        "body": {"S": event.body},
        "attributes": {"M": {name: {"S": text} for name, text in event.attributes.items()}},
        "outboxShard": {"S": str(shard_of(event))},
        "outboxOrder": {"S": f"{sortable(datetime.fromtimestamp(now, UTC))}#{event.event_id}"},
    }
    return {"Put": {"TableName": table, "Item": item}}


def event_of(item: Any) -> Encoded:
    """Read the event of a row, of this version or of one that stored no attributes.

    Raises ``EnvelopeError`` if there are no attributes, and the body does not tell them.
    """
    body = item["body"]["S"]
    if "attributes" not in item:
        return Encoded.read(body)
    stored = item["attributes"]["M"]
    return Encoded(event_id_of(item), body, {name: text["S"] for name, text in stored.items()})


def event_id_of(item: Any) -> str:
    """Read whose row it is from its key."""
    return str(item["pk"]["S"].partition("#")[2])


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


def shard_of(event: Encoded) -> int:
    """Keep the events of one story in one shard, whichever process writes them."""
    story = event.attributes.get("correlationId", event.event_id)
    return zlib.crc32(story.encode()) % SHARDS
