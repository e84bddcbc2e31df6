"""The outbox for operators: whether the relays keep up, and which events they set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from workers.aws.outbox import Outbox, Row
from workers.aws.outbox_leases import OutboxLeases


@dataclass(frozen=True)
class ShardState:
    """The events of one shard that wait to be published."""

    shard: int
    waiting: int
    oldest_seconds: int  # the age of the first event; 0 if none waits
    relay: str  # the last owner of the shard; empty if it gave the shard up


@dataclass(frozen=True)
class SetAside:
    """An event that the relays no longer retry."""

    event_id: str
    event_type: str  # empty if it cannot be read
    correlation_id: str
    since: str  # ISO 8601; when it was committed
    reason: str


def shards(outbox: Outbox, leases: OutboxLeases, now: datetime) -> list[ShardState]:
    """Read the state of every shard. Counts rows that order-api is about to publish itself."""
    return [_shard(outbox, leases, shard, now) for shard in range(outbox.SHARDS)]


def set_aside(outbox: Outbox) -> list[SetAside]:
    """List the events that were set aside, oldest first."""
    return [_aside(row) for row in outbox.stuck()]


def put_back(outbox: Outbox, event_ids: Sequence[str]) -> int:
    """Return events that were set aside to the relays; return how many."""
    rows = {row.event_id: row for row in outbox.stuck()}
    return sum(outbox.put_back(rows[event_id]) for event_id in event_ids if event_id in rows)


def _shard(outbox: Outbox, leases: OutboxLeases, shard: int, now: datetime) -> ShardState:
    oldest, held = outbox.oldest(shard), leases.look(shard)
    return ShardState(
        shard=shard,
        waiting=outbox.count(shard),
        oldest_seconds=max(0, round((now - oldest).total_seconds())) if oldest else 0,
        relay=held.owner if held and not held.given_up else "",
    )


def _aside(row: Row) -> SetAside:
    told = row.event.attributes if row.event else {}
    return SetAside(
        event_id=row.event_id,
        event_type=told.get("eventType", ""),
        correlation_id=told.get("correlationId", ""),
        since=row.since.isoformat(timespec="seconds"),
        reason=row.problem,
    )
