"""The roster of a service, in its table: heartbeats, and the pause that an operator ordered.

Row ``workers`` has the string set ``ids``; it is written when a worker joins or leaves, never with
a beat. Row ``worker#<id>`` is the last heartbeat of a worker: one write unit. Row ``pause`` is the
pause. Readers take every field but the key as optional: another version may have written the row.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.runtime.roster import Heartbeat, Pause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROSTER: Final[dict[str, Any]] = {"pk": {"S": "workers"}}
PAUSE: Final[dict[str, Any]] = {"pk": {"S": "pause"}}
BEAT_RETENTION: Final = timedelta(days=1)
ROSTER_RETENTION: Final = timedelta(days=30)  # after the last worker has joined
_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class DynamoRoster:
    """Implements ``Roster``."""

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.time  # epoch seconds

    def beat(self, heartbeat: Heartbeat) -> None:
        """Write a heartbeat; see ``Roster``."""
        with translated("dynamodb"):
            self.client.put_item(
                TableName=self.table,
                Item={
                    **key_of(heartbeat.worker),
                    **to_item(to_row(heartbeat)),
                    "expires": self._expiry(BEAT_RETENTION),
                },
            )

    def join(self, worker: str) -> Collection[str]:
        """Add a worker; see ``Roster``."""
        with translated("dynamodb"):
            row = self.client.update_item(
                TableName=self.table,
                Key=ROSTER,
                UpdateExpression="ADD ids :ids SET expires = :expires",
                ExpressionAttributeValues={
                    ":ids": {"SS": [worker]},
                    ":expires": self._expiry(ROSTER_RETENTION),
                },
                ReturnValues="ALL_NEW",
            )["Attributes"]
        return ids_of(row)

    def leave(self, workers: Sequence[str]) -> None:
        """Remove workers; see ``Roster``."""
        with translated("dynamodb"):
            self.client.update_item(
                TableName=self.table,
                Key=ROSTER,
                UpdateExpression="DELETE ids :ids",
                ExpressionAttributeValues={":ids": {"SS": list(workers)}},
            )

    def last_beat(self, worker: str) -> datetime | None:
        """Read the time of a heartbeat; see ``Roster``."""
        with translated("dynamodb"):
            row = self.client.get_item(
                TableName=self.table, Key=key_of(worker), ConsistentRead=True
            ).get("Item")
        return from_row(row).at if row else None

    def pause(self) -> Pause | None:
        """Read the pause; see ``Roster``. Half a read unit: a second late does no harm."""
        with translated("dynamodb"):
            row = self.client.get_item(TableName=self.table, Key=PAUSE).get("Item")
        return pause_from(row) if row else None

    def _expiry(self, retention: timedelta) -> Any:
        return {"N": str(int(self.clock() + retention.total_seconds()))}


def row_of(worker: str) -> str:
    """Return the partition key of a worker's heartbeat."""
    return f"worker#{worker}"


def key_of(worker: str) -> dict[str, Any]:
    """Return the key of a worker's heartbeat, as DynamoDB takes it."""
    return {"pk": {"S": row_of(worker)}}


def ids_of(row: Mapping[str, Any]) -> frozenset[str]:
    """Return the workers on a roster."""
    return frozenset(row.get("ids", {}).get("SS", ()))


def to_row(heartbeat: Heartbeat) -> dict[str, object]:
    """Return the fields of a heartbeat's row."""
    oldest = heartbeat.oldest_sent_at
    return {
        "at": _text(heartbeat.at),
        "startedAt": _text(heartbeat.started_at),
        "version": heartbeat.version,
        "task": heartbeat.task,
        "inFlight": heartbeat.in_flight,
        "slots": heartbeat.slots,
        "handled": heartbeat.handled,
        "failed": heartbeat.failed,
        "rate": Decimal(str(heartbeat.rate)),
        "oldestSentAt": None if oldest is None else Decimal(str(oldest)),
        "paused": heartbeat.paused,
        "features": sorted(heartbeat.features),
    }


def from_row(row: Mapping[str, Any]) -> Heartbeat:
    """Read the row of a heartbeat, whatever it lacks."""
    fields: Any = to_document(row)
    oldest = fields.get("oldestSentAt")
    return Heartbeat(
        worker=row["pk"]["S"].partition("#")[2],
        at=_time(fields.get("at")),
        started_at=_time(fields.get("startedAt")),
        version=str(row.get("version", {}).get("S", "")),
        task=str(fields.get("task", "")),
        in_flight=int(fields.get("inFlight", 0)),
        slots=int(fields.get("slots", 0)),
        handled=int(fields.get("handled", 0)),
        failed=int(fields.get("failed", 0)),
        rate=float(fields.get("rate", 0)),
        oldest_sent_at=None if oldest is None else float(oldest),
        paused=bool(fields.get("paused", False)),
        features=frozenset(fields.get("features", ())),
    )


def pause_from(row: Mapping[str, Any]) -> Pause:
    """Read the row of a pause, whatever it lacks."""
    fields: Any = to_document(row)
    until = fields.get("until")
    return Pause(
        by=str(fields.get("by", "")),
        at=str(fields.get("at", "")),
        reason=str(fields.get("reason", "")),
        until=None if until is None else float(until),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _time(text: object) -> datetime:
    """Parse a time; one that is missing or cannot be read lies far back."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
    return moment if moment.tzinfo else _NEVER
