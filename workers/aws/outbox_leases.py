"""Who publishes which shard of the outbox: a lease per shard, and a heartbeat per relay.

Clocks of relays may be minutes apart, so no time in a row decides anything here. A lease's fence
and a relay's count of heartbeats only ever rise; whoever reads them twice, and finds them as they
were, judges by its own clock how long nothing has happened.
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

LEASE: Final = timedelta(seconds=15)  # unchanged for so long, a lease or a heartbeat is over
_RELAY: Final = "relay#"  # before a relay's name, in the row of heartbeats


@dataclass(frozen=True, slots=True)
class ShardLease:
    """The right to publish a shard. A later one of the same shard has a higher ``fence``."""

    shard: int
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the row of a shard says."""

    owner: str
    fence: int
    given_up: bool = False


@dataclass(frozen=True)
class OutboxLeases:
    """The leases of one table. Every method raises what ``runtime.ports`` says."""

    client: "DynamoDBClient"
    table: str
    # The version before this one takes a lease whose end is over by its own clock.
    clock: Callable[[], float] = time.time  # epoch seconds

    def beat(self, owner: str) -> Mapping[str, int]:
        """Count a heartbeat, and give every relay's count."""
        with translated("dynamodb"):
            beaten = self.client.update_item(
                TableName=self.table,
                Key=_RELAYS,
                UpdateExpression="ADD #me :one",
                ExpressionAttributeNames={"#me": f"{_RELAY}{owner}"},
                ExpressionAttributeValues={":one": {"N": "1"}},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        return {
            name.removeprefix(_RELAY): int(count["N"])
            for name, count in beaten.items()
            if name.startswith(_RELAY)
        }

    def forget(self, owner: str, beats: int) -> None:
        """Take a relay off the row, unless its heart has beaten since it was at ``beats``."""
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
        """Read who has a shard; None if nobody ever had it."""
        with translated("dynamodb"):
            row = self.client.get_item(
                TableName=self.table, Key=key_of(shard), ConsistentRead=True
            ).get("Item")
        if row is None:
            return None
        given_up = float(row["leaseUntil"]["N"]) == 0
        return Held(row["leaseOwner"]["S"], int(row["fence"]["N"]), given_up)

    def take(self, shard: int, owner: str, seen: Held | None) -> ShardLease | None:
        """Take a shard from whoever was seen to have it; None if the row has changed since.

        Every success raises the fence: earlier leases of the shard are void.
        """
        if seen is None:
            return self._write(shard, owner, "attribute_not_exists(pk)", {})
        return self._write(shard, owner, "fence = :seen", {":seen": {"N": str(seen.fence)}})

    def renew(self, lease: ShardLease) -> ShardLease | None:
        """Go on with a shard; None if another owner has taken it."""
        return self._write(lease.shard, lease.owner, "leaseOwner = :me", {})

    def release(self, lease: ShardLease) -> None:
        """Let another owner take the shard at once; does nothing if one has it already."""
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
    """Give the key of a shard's lease."""
    return {"pk": {"S": f"lease#outbox#{shard}"}}


def still_held(lease: ShardLease) -> dict[str, Any]:
    """Give the condition that nobody has taken or renewed the lease since."""
    return {
        "ConditionExpression": "leaseOwner = :me AND fence = :fence",
        "ExpressionAttributeValues": {
            ":me": {"S": lease.owner},
            ":fence": {"N": str(lease.fence)},
        },
    }


_RELAYS: Final[dict[str, Any]] = {"pk": {"S": "lease#outbox#relays"}}
