"""Assigns the shards of the outbox to relays: a lease per shard, a heartbeat per relay.

Clocks of relays may differ by minutes, so no decision depends on a stored time. A lease's fence
and a relay's heartbeat count only increase. A relay that reads the same value again measures, by
its own clock, how long it has not changed.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEASE: Final = timedelta(seconds=15)  # a lease or heartbeat expires if unchanged for this long
_RELAY: Final = "relay#"  # prefix of a relay's name in the row of heartbeats


@dataclass(frozen=True, slots=True)
class ShardLease:
    """The right to publish a shard. Each later lease of the shard has a higher ``fence``."""

    shard: int
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class Held:
    """The lease of a shard, as stored."""

    owner: str
    fence: int
    given_up: bool = False


@dataclass(frozen=True)
class OutboxLeases:
    """The leases of one table. Methods raise the errors that ``runtime.ports`` names."""

    client: "DynamoDBClient"
    table: str
    # Only for leaseUntil: the previous version takes a lease once that is past by its own clock.
    clock: Callable[[], float] = time.time  # epoch seconds

    def beat(self, owner: str) -> Mapping[str, int]:
        """Increment the heartbeat count of ``owner``, and return the counts of all relays."""
        with translated("dynamodb"):
            counts = self.client.update_item(
                TableName=self.table,
                Key=_RELAYS,
                UpdateExpression="ADD #me :one",
                ExpressionAttributeNames={"#me": f"{_RELAY}{owner}"},
                ExpressionAttributeValues={":one": {"N": "1"}},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        return {
            name.removeprefix(_RELAY): int(count["N"])
            for name, count in counts.items()
            if name.startswith(_RELAY)
        }

    def forget(self, owner: str, beats: int) -> None:
        """Remove a relay, unless its heartbeat count is no longer ``beats``."""
        with (
            translated("dynamodb"),
            suppress(self.client.exceptions.ConditionalCheckFailedException),
        ):
            self.client.update_item(
                TableName=self.table,
                Key=_RELAYS,
                UpdateExpression="REMOVE #gone",
                ConditionExpression="#gone = :beats",
                ExpressionAttributeNames={"#gone": f"{_RELAY}{owner}"},
                ExpressionAttributeValues={":beats": {"N": str(beats)}},
            )

    def look(self, shard: int) -> Held | None:
        """Read the lease of a shard; None if it was never taken."""
        with translated("dynamodb"):
            row = self.client.get_item(
                TableName=self.table, Key=key_of(shard), ConsistentRead=True
            ).get("Item")
        if row is None:
            return None
        given_up = float(row["leaseUntil"]["N"]) == 0
        return Held(row["leaseOwner"]["S"], int(row["fence"]["N"]), given_up)

    def take(self, shard: int, owner: str, seen: Held | None) -> ShardLease | None:
        """Take a shard from the owner in ``seen``; None if the row has changed since.

        Success increments the fence, which invalidates earlier leases of the shard.
        """
        if seen is None:
            return self._write(shard, owner, "attribute_not_exists(pk)", {})
        return self._write(shard, owner, "fence = :seen", {":seen": {"N": str(seen.fence)}})

    def renew(self, lease: ShardLease) -> ShardLease | None:
        """Renew the lease of a shard; None if another relay has taken it."""
        return self._write(lease.shard, lease.owner, "leaseOwner = :me", {})

    def release(self, lease: ShardLease) -> None:
        """Let another relay take the shard at once. Does nothing if one already has."""
        end: dict[str, Any] = {
            "TableName": self.table,
            "Key": key_of(lease.shard),
            "UpdateExpression": "SET leaseUntil = :past",
            **still_held(lease),
        }
        end["ExpressionAttributeValues"] |= {":past": {"N": "0"}}
        with (
            translated("dynamodb"),
            suppress(self.client.exceptions.ConditionalCheckFailedException),
        ):
            self.client.update_item(**end)

    def _write(
        self, shard: int, owner: str, condition: str, values: dict[str, Any]
    ) -> ShardLease | None:
        until = self.clock() + LEASE.total_seconds()
        with translated("dynamodb"):
            try:
                written = self.client.update_item(
                    TableName=self.table,
                    Key=key_of(shard),
                    UpdateExpression="SET leaseOwner = :me, leaseUntil = :until ADD fence :one",
                    ConditionExpression=condition,
                    ExpressionAttributeValues={
                        ":me": {"S": owner},
                        ":one": {"N": "1"},
                        ":until": {"N": f"{until:.6f}"},
                        **values,
                    },
                    ReturnValues="ALL_NEW",
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                return None
        return ShardLease(shard, owner, int(written["Attributes"]["fence"]["N"]))


def key_of(shard: int) -> dict[str, Any]:
    """Return the key of a shard's lease."""
    return {"pk": {"S": f"lease#outbox#{shard}"}}


def still_held(lease: ShardLease) -> dict[str, Any]:
    """Return the condition that the lease has been neither taken nor renewed since."""
    return {
        "ConditionExpression": "leaseOwner = :me AND fence = :fence",
        "ExpressionAttributeValues": {
            ":me": {"S": lease.owner},
            ":fence": {"N": str(lease.fence)},
        },
    }


_RELAYS: Final[dict[str, Any]] = {"pk": {"S": "lease#outbox#relays"}}
