"""The state of an operation that moves messages: one at a time, and resumed after a kill.

One row per kind of operation, in the service's table. Whoever runs it renews a heartbeat count.
Clocks of machines differ, so a run counts as dead when its count has not changed for ``QUIET``
by the reader's own clock. Before a batch is sent, its message ids are written as an *intent*;
after it is sent, the intent is marked; the next intent of the same thread replaces it. An intent
that a dead run left behind names the only messages of which it is not known whether they were sent.

Every write is conditional on the run, so a run that was taken over cannot write another intent.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.runtime.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BEAT: Final = 2.0  # s between two heartbeats
QUIET: Final = 3 * BEAT  # s; a heartbeat that has not changed for so long has ended
KEPT: Final = timedelta(days=30)
_SLOT: Final = "slot#"
RUNNING: Final = "running"
INTERRUPTED: Final = "interrupted"
ENDED: Final = "ended"


class BusyError(Exception):
    """Somebody else runs the operation; the text says who, and since when."""


class TakenOverError(Exception):
    """Another run has taken the operation over: this one must stop."""


@dataclass(frozen=True)
class Intent:
    """The messages of one batch of a run that ended."""

    slot: str
    ids: frozenset[str]
    at: str  # ISO 8601, UTC: before the batch was sent
    sent: bool  # all of them were sent; False: they may have been


@dataclass(frozen=True)
class Earlier:
    """What an interrupted run left behind."""

    by: str
    at: str  # ISO 8601, UTC: its start
    progress: Mapping[str, object]
    intents: tuple[Intent, ...] = ()


@dataclass
class Operation:
    """A running operation. Methods raise ``TakenOverError``, and what ``runtime.ports`` names."""

    dynamodb: "DynamoDBClient"
    table: str
    key: str
    run: str
    earlier: Earlier | None = None
    unfinished: bool = False  # set it to leave the state to the next run, as if interrupted
    _progress: dict[str, object] = field(default_factory=dict)
    _slots: set[str] = field(default_factory=set)

    @classmethod
    @contextmanager
    def running(
        cls,
        dynamodb: "DynamoDBClient",
        table: str,
        name: str,
        *,
        by: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Self]:
        """Run the operation ``name`` in the block. Raises ``BusyError`` if somebody else does.

        If the block raises, the operation counts as interrupted: the next run finds what it left.
        """
        key, run = f"operation#{name}", uuid4().hex
        earlier = _claim(dynamodb, table, key, run=run, by=by, sleep=sleep)
        operation = cls(dynamodb, table, key, run, earlier)
        stopped = Flag()
        beats = Thread(target=operation._beat, args=(stopped,), name="beat", daemon=True)
        beats.start()
        try:
            yield operation
        except BaseException:
            stopped.set()
            operation.end(INTERRUPTED if operation.began else ENDED)
            raise
        else:
            stopped.set()
            operation.end(INTERRUPTED if operation.unfinished else ENDED)

    @property
    def began(self) -> bool:
        """Whether this run, or the one that it resumes, left something to go on with."""
        return bool(self._slots or self._progress) or self.earlier is not None

    def intend(self, slot: int, ids: Iterable[str]) -> None:
        """Record that a batch is about to be sent. The previous one of the slot is done."""
        fields = {"ids": sorted(ids), "at": _now(), "sent": False}
        self._set({self._slot(slot): fields})

    def sent(self, slot: int, ids: Iterable[str]) -> None:
        """Record that a batch was sent, and which of its messages."""
        self._set({self._slot(slot): {"ids": sorted(ids), "at": _now(), "sent": True}})

    def save(self, **progress: object) -> None:
        """Record progress, for the run that resumes this one."""
        self._progress |= progress
        self._set({"progress": dict(self._progress)})

    def settled(self, slots: Iterable[str]) -> None:
        """Remove intents whose messages are settled."""
        self._set({}, remove=list(slots))

    def end(self, state: str) -> None:
        """Record the end. Once taken over, or without an answer, there is nothing to record."""
        done = sorted(self._slots) if state == ENDED else ()
        try:
            self._set({"state": state}, remove=done)
        except (TakenOverError, Unavailable):
            return

    def _slot(self, slot: int) -> str:
        name = f"{_SLOT}{self.run[:8]}#{slot}"
        self._slots.add(name)
        return name

    def _beat(self, stopped: Flag) -> None:
        while not stopped.wait(BEAT):
            try:
                self._set({})
            except (TakenOverError, Unavailable):  # whoever sends next learns of it
                continue

    def _set(self, fields: Mapping[str, object], remove: Iterable[str] = ()) -> None:
        names = {f"#f{i}": name for i, name in enumerate(fields)}
        gone = {f"#r{i}": name for i, name in enumerate(remove)}
        sets = "".join(f", #f{i} = :f{i}" for i in range(len(fields)))
        with translated("dynamodb"):
            try:
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key={"pk": {"S": self.key}},
                    UpdateExpression=f"SET expires = :expires{sets} ADD beat :one"
                    + (f" REMOVE {', '.join(gone)}" if gone else ""),
                    ConditionExpression="#run = :run",
                    ExpressionAttributeNames={"#run": "run", **names, **gone},
                    ExpressionAttributeValues={
                        **to_item({f":f{i}": value for i, value in enumerate(fields.values())}),
                        **to_item({":run": self.run, ":one": 1}),
                        ":expires": _expiry(),
                    },
                )
            except self.dynamodb.exceptions.ConditionalCheckFailedException:
                raise TakenOverError("another run has taken over; this one stopped") from None


def running_now(dynamodb: "DynamoDBClient", table: str, name: str) -> str:
    """Say who runs an operation, or did when it was interrupted; empty if nobody does."""
    row = _read(dynamodb, table, f"operation#{name}")
    return _who(row) if row.get("state") == RUNNING else ""


def _claim(
    dynamodb: "DynamoDBClient",
    table: str,
    key: str,
    *,
    run: str,
    by: str,
    sleep: Callable[[float], None],
) -> Earlier | None:
    """Take the row, after an end or from a dead run; return what that run left."""
    row = _read(dynamodb, table, key)
    if row.get("state") == RUNNING:
        _wait_for_silence(dynamodb, table, key, row, sleep)
    earlier = _earlier(row) if row and row.get("state") != ENDED else None
    fields: dict[str, object] = {"run": run, "by": by, "at": _now(), "state": RUNNING}
    if earlier is None:
        fields["progress"] = {}
    known: dict[str, object] = {":seen": row["run"], ":beat": row["beat"]} if row else {}
    with translated("dynamodb"):
        try:
            dynamodb.update_item(
                TableName=table,
                Key={"pk": {"S": key}},
                UpdateExpression="SET expires = :expires, "
                + ", ".join(f"#{name} = :{name}" for name in fields)
                + " ADD beat :one",
                ConditionExpression="#run = :seen AND beat = :beat"
                if row
                else "attribute_not_exists(pk)",
                ExpressionAttributeNames={f"#{name}": name for name in fields},
                ExpressionAttributeValues={
                    **to_item({f":{name}": value for name, value in fields.items()}),
                    **to_item(known | {":one": 1}),
                    ":expires": _expiry(),
                },
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            raise BusyError(_who(_read(dynamodb, table, key))) from None
    return earlier


def _wait_for_silence(
    dynamodb: "DynamoDBClient",
    table: str,
    key: str,
    row: Mapping[str, Any],
    sleep: Callable[[float], None],
) -> None:
    """Return once a run counts as dead. Raises ``BusyError`` if it lives."""
    for _ in range(int(QUIET)):
        sleep(1.0)
        now = _read(dynamodb, table, key)
        if (now.get("run"), now.get("beat")) != (row.get("run"), row.get("beat")):
            raise BusyError(_who(now))


def _read(dynamodb: "DynamoDBClient", table: str, key: str) -> dict[str, Any]:
    with translated("dynamodb"):
        item = dynamodb.get_item(TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True).get(
            "Item"
        )
    return to_document(item) if item else {}


def _earlier(row: Mapping[str, Any]) -> Earlier:
    intents = [
        Intent(name, frozenset(each["ids"]), str(each["at"]), bool(each["sent"]))
        for name, each in row.items()
        if name.startswith(_SLOT) and each["ids"]
    ]
    return Earlier(str(row["by"]), str(row["at"]), row.get("progress") or {}, tuple(intents))


def _who(row: Mapping[str, Any]) -> str:
    return (
        f"{str(row.get('by', 'somebody')).rpartition(':')[2]} since {str(row.get('at', ''))[:19]}"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _expiry() -> dict[str, str]:
    return {"N": str(int((datetime.now(UTC) + KEPT).timestamp()))}
