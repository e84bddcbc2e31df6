"""The audit: who changed or moved what in a service, when, why, and how it ended.

A row per day in the service's own table, a field per operation. The record is written before the
operation and completed after it: one without an end was interrupted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count as numbers
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.runtime.observability.logs import redact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT: Final = timedelta(days=400)
MAX_DETAIL: Final = 500  # bytes of each text
# An item holds 400 KB, and a record with seven texts takes about 4 KB. A day with more records
# continues in another row.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
PER_ROW: Final = 50
_OPERATION: Final = "operation#"
DONE: Final = "done"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True)
class Audited:
    """One operation on record. ``result`` is empty if it never ended, or still runs."""

    at: str  # ISO 8601, UTC
    by: str  # the ARN of the caller
    action: str
    reason: str
    count: int  # messages, rows, ...: those meant, and after the end those changed
    detail: Mapping[str, str]
    result: str = ""
    ended_at: str = ""


@dataclass
class Recording:
    """The record of a running operation. ``count`` and ``result`` are saved at its end."""

    by: str
    count: int
    result: str = DONE
    detail: dict[str, str] = field(default_factory=dict)  # added to that of the start


@contextmanager
def record(
    dynamodb: "DynamoDBClient",
    table: str,
    *,
    by: str,
    action: str,
    reason: str = "",
    count: int = 0,
    detail: Mapping[str, object] | None = None,
) -> Iterator[Recording]:
    """Record an operation around the block that carries it out.

    ``by`` is ``workers.aws.identity.caller(clients)``, ``action`` the command: ``dlq redrive``.
    Addresses in ``reason`` and ``detail`` are left out, because an expression of a selection or
    an operator's words may name a customer; long texts are cut.

    Raises ``Unavailable`` before the block if the record cannot be written: without a record
    nothing happens. After the block the end is recorded, also if the block raises.
    """
    name, began = f"{_OPERATION}{uuid4().hex}", datetime.now(UTC)
    known = _redacted(detail or {})
    started = _cut({"at": _text(began), "by": by, "action": action}) | _redacted({"reason": reason})
    key = _write(dynamodb, table, began, name, {**started, "count": count, "detail": known})
    recording = Recording(by, count)
    try:
        yield recording
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        recording.result = INTERRUPTED if interrupted else f"failed: {type(error).__name__}"
        raise
    finally:
        ended = {"count": recording.count, "detail": known | _redacted(recording.detail)}
        ended |= {"result": recording.result[:MAX_DETAIL], "endedAt": _text(datetime.now(UTC))}
        _complete(dynamodb, table, key, name, ended)


def history(
    dynamodb: "DynamoDBClient", table: str, *, days: int, today: date
) -> tuple[Audited, ...]:
    """List the operations of the last ``days`` days (UTC, today included), newest first."""
    found = [
        _audited(fields)
        for back in range(days)
        for row in _rows(dynamodb, table, today - timedelta(days=back))
        for name, fields in row.items()
        if name.startswith(_OPERATION) and isinstance(fields, dict)
    ]
    return tuple(sorted(found, key=lambda each: each.at, reverse=True))


def _write(
    dynamodb: "DynamoDBClient", table: str, at: datetime, name: str, fields: dict[str, Any]
) -> str:
    """Add a field to the first of the day's rows that has room; return the key of the row."""
    expires = {":expires": {"N": str(int((at + KEPT).timestamp()))}}
    for key in _keys(at.date()):
        with translated("dynamodb"):
            try:
                dynamodb.update_item(
                    TableName=table,
                    Key={"pk": {"S": key}},
                    UpdateExpression="SET #name = :fields, expires = :expires ADD records :one",
                    ConditionExpression="attribute_not_exists(records) OR records < :most",
                    ExpressionAttributeNames={"#name": name},
                    ExpressionAttributeValues=expires
                    | to_item({":fields": fields, ":one": 1, ":most": PER_ROW}),
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                continue
        return key
    raise AssertionError("a day always has another row")


def _complete(
    dynamodb: "DynamoDBClient", table: str, key: str, name: str, fields: dict[str, Any]
) -> None:
    """Add fields to a record."""
    values = {f":f{i}": value for i, value in enumerate(fields.values())}
    with translated("dynamodb"):
        dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": key}},
            UpdateExpression="SET " + ", ".join(f"#name.#f{i} = :f{i}" for i in range(len(fields))),
            ExpressionAttributeNames={"#name": name}
            | {f"#f{i}": field for i, field in enumerate(fields)},
            ExpressionAttributeValues=to_item(values),
        )


def _rows(dynamodb: "DynamoDBClient", table: str, day: date) -> Iterator[dict[str, Any]]:
    for key in _keys(day):
        with translated("dynamodb"):
            item = dynamodb.get_item(
                TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True
            ).get("Item")
        if item is None:
            return
        yield to_document(item)


def _keys(day: date) -> Iterator[str]:
    yield f"audit#{day}"
    yield from (f"audit#{day}#{number}" for number in numbers(2))


def _audited(fields: Mapping[str, Any]) -> Audited:
    """Read a record; another version may have written it."""
    number, detail = fields.get("count", 0), fields.get("detail", {})
    return Audited(
        **{name: str(fields.get(name, "")) for name in ("at", "by", "action", "reason", "result")},
        ended_at=str(fields.get("endedAt", "")),
        count=number if isinstance(number, int) else 0,
        detail={k: str(v) for k, v in detail.items()} if isinstance(detail, dict) else {},
    )


def _redacted(texts: Mapping[str, object]) -> dict[str, str]:
    return _cut({name: redact(str(text)) for name, text in texts.items()})


def _cut(texts: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(text).encode("utf-8", "replace")[:MAX_DETAIL].decode(errors="ignore")
        for name, text in texts.items()
    }


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
