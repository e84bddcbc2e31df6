"""Pauses a service, and resumes it: writes the row that its workers read every ten seconds."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from workers.aws.errors import translated
from workers.aws.heartbeats import PAUSE
from workers.aws.items import to_item
from workers.ops.audit import record
from workers.ops.heartbeats import SILENT_AFTER, Fleet, fleet
from workers.runtime.roster import BEAT_EVERY, Pause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LONGEST_REASON: Final = 200  # characters; it stands in logs and answers of /readyz
KEPT: Final = timedelta(days=1)  # after its end
SEEN_WITHIN: Final = SILENT_AFTER + BEAT_EVERY  # s; a killed worker does not count by then
_GLANCE: Final = 1.0  # s


@dataclass(frozen=True)
class Progress:
    """How many of the workers that run have said that they obey."""

    obeying: int
    running: int

    @property
    def complete(self) -> bool:
        """Whether nobody is missing."""
        return self.obeying == self.running


def planned(now: Fleet, *, by: str, reason: str, seconds: int | None) -> Pause:
    """Return a pause from now on. Its end is by AWS's clock, as the workers' is."""
    until = None if seconds is None else now.as_of.timestamp() + seconds
    return Pause(by=by, at=_text(now.as_of), reason=reason, until=until)


def pause(dynamodb: "DynamoDBClient", table: str, order: Pause, *, workers: int) -> None:
    """Order a pause, in place of an earlier one, and record it. ``workers``: how many run."""
    detail = {"until": "resumed" if order.until is None else str(int(order.until))}
    row = {"by": order.by, "at": order.at, "reason": order.reason}
    item = {**PAUSE, **to_item(row)}
    if order.until is not None:
        item["until"] = {"N": str(int(order.until))}
        item["expires"] = {"N": str(int(order.until + KEPT.total_seconds()))}
    action = {"action": "pause", "by": order.by, "reason": order.reason}
    with (
        record(dynamodb, table, **action, count=workers, detail=detail),
        translated("dynamodb"),
    ):
        dynamodb.put_item(TableName=table, Item=item)


def resume(dynamodb: "DynamoDBClient", table: str, *, by: str, reason: str, workers: int) -> None:
    """End the pause of a service, and record it. Does nothing if there is none."""
    with (
        record(dynamodb, table, by=by, action="resume", reason=reason, count=workers),
        translated("dynamodb"),
    ):
        dynamodb.delete_item(TableName=table, Key=PAUSE)


def progress(
    dynamodb: "DynamoDBClient",
    table: str,
    *,
    paused: bool,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Progress]:
    """Watch the workers obey, until all do or ``SEEN_WITHIN`` is over. Yields at least once."""
    until = now() + SEEN_WITHIN
    while True:
        running = fleet(dynamodb, table).running
        seen = Progress(sum(worker.paused is paused for worker in running), len(running))
        yield seen
        if seen.complete or now() >= until:
            return
        sleep(_GLANCE)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
