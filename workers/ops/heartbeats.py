"""The workers of a service, as they report themselves, and its pause. Reading changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from workers.aws.batch_get import batch_get
from workers.aws.errors import translated
from workers.aws.heartbeats import PAUSE, ROSTER, from_row, ids_of, pause_from, row_of
from workers.runtime.roster import BEAT_EVERY, Heartbeat, Pause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SILENT_AFTER: Final = 3.5 * BEAT_EVERY  # s; three beats in a row are missing


@dataclass(frozen=True)
class Fleet:
    """Everybody who works for a service."""

    as_of: datetime  # by AWS's clock: that of a laptop may be minutes off
    running: tuple[Heartbeat, ...]
    silent: tuple[Heartbeat, ...]  # on the roster without a recent heartbeat: killed, or cut off
    pause: Pause | None  # None if its time is over

    @property
    def rate(self) -> float:
        """Messages handled per second, over the last minute."""
        return sum(worker.rate for worker in self.running)

    @property
    def oldest_seconds(self) -> float | None:
        """The age of the oldest first delivery that a worker holds; None without one."""
        sent = [w.oldest_sent_at for w in self.running if w.oldest_sent_at is not None]
        return max(0.0, self.as_of.timestamp() - min(sent)) if sent else None


def fleet(dynamodb: "DynamoDBClient", table: str) -> Fleet:
    """Read the fleet of the service that uses a table. One request for each hundred workers.

    Workers of versions before heartbeats are not seen.
    """
    first = _get(dynamodb, table, [ROSTER, PAUSE])
    as_of, rows = _time_of(first), {row["pk"]["S"]: row for row in _rows(first, table)}
    ids = sorted(ids_of(rows.get("workers", {})))
    found = batch_get(dynamodb, [(table, row_of(each)) for each in ids], consistent=False)
    beats = [from_row(row) for row in found.values()]
    beats.sort(key=lambda beat: beat.worker)
    return Fleet(
        as_of=as_of,
        running=tuple(beat for beat in beats if _age(beat, as_of) <= SILENT_AFTER),
        silent=tuple(beat for beat in beats if _age(beat, as_of) > SILENT_AFTER),
        pause=_current(rows.get("pause"), as_of),
    )


def running(dynamodb: "DynamoDBClient", table: str) -> list[Heartbeat]:
    """Return the last heartbeats of the workers that run."""
    return list(fleet(dynamodb, table).running)


def _age(beat: Heartbeat, now: datetime) -> float:
    return (now - beat.at).total_seconds()


def _current(row: Mapping[str, Any] | None, now: datetime) -> Pause | None:
    pause = pause_from(row) if row else None
    if pause is None or (pause.until is not None and pause.until <= now.timestamp()):
        return None
    return pause


def _get(dynamodb: "DynamoDBClient", table: str, keys: Sequence[dict[str, Any]]) -> Any:
    with translated("dynamodb"):
        return dynamodb.batch_get_item(RequestItems={table: {"Keys": list(keys)}})


def _rows(answer: Any, table: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = answer["Responses"].get(table, ())
    return rows


def _time_of(answer: Any) -> datetime:
    """Return when AWS answered."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
