"""The record of failed attempts: one row per event, one field per attempt.

A row stays small, because DynamoDB charges a write by the size of the whole item, and because all
attempts at one event write to one partition: it keeps the first attempt and the newest.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.items import to_document, to_item
from workers.glimpse import Glimpse
from workers.runtime.ports import Document, FailedAttempt, FailureLog

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION: Final = timedelta(days=30)
# Six redrives of a message with three attempts fit. An attempt takes about 500 bytes, so a full row
# costs ten write units; 100 attempts would cost fifty, and a partition takes 1,000 a second.
MAX_KEPT: Final = 20
_KEPT_WHEN_FULL: Final = MAX_KEPT // 2  # the ten after this need one write each
MAX_ATTEMPT_TEXT: Final = 300  # characters of each text of an attempt
_ATTEMPT: Final = "attempt"
_ABOUT: Final = {
    "eventType": "event_type",
    "eventId": "event_id",
    "source": "source",
    "correlationId": "correlation_id",
    "traceId": "trace_id",
}


def row_key(key: str) -> dict[str, Any]:
    """Return the key of the row about an event; ``key`` as in ``Store.record_failure``."""
    return {"pk": {"S": f"failures#{key}"}}


def write(client: "DynamoDBClient", update: dict[str, Any]) -> None:
    """Write one attempt: one request, or two if the row is full. Raises as ``Store`` does."""
    with translated("dynamodb"):
        try:
            client.update_item(**update)
        except client.exceptions.ConditionalCheckFailedException as full:
            row: Any = full.response.get("Item", {})
            client.update_item(**_pruning(update, row))


def read(client: "DynamoDBClient", table: str, key: str) -> FailureLog:
    """Read the failed attempts at an event; a log without attempts if none is on record."""
    with translated("dynamodb"):
        item = client.get_item(TableName=table, Key=row_key(key), ConsistentRead=True).get("Item")
    return log_of(key, item) if item else FailureLog(key)


def log_of(key: str, item: Any) -> FailureLog:
    """Read a row."""
    row = to_document(item)
    subject = row.get("subject")
    known = {field: str(row.get(name, "")) for name, field in _ABOUT.items()}
    subjects = {n: str(t) for n, t in subject.items()} if isinstance(subject, dict) else {}
    recorded = row.get("recorded", 0)
    return FailureLog(
        key,
        Glimpse(**known, subject=subjects),
        first_at=str(row.get("firstAt", "")),
        recorded=recorded if isinstance(recorded, int) else 0,
        attempts=_attempts(row),
    )


def attempts_in(item: Any) -> tuple[FailedAttempt, ...]:
    """Read the attempts of a row, in order; none without a row."""
    return _attempts(to_document(item)) if item else ()


def _attempts(row: Document) -> tuple[FailedAttempt, ...]:
    return in_order(
        [
            _attempt(name, fields)
            for name, fields in row.items()
            if name.startswith(f"{_ATTEMPT}#") and isinstance(fields, dict)
        ]
    )


def in_order(attempts: Sequence[FailedAttempt]) -> tuple[FailedAttempt, ...]:
    """Sort attempts: messages by their first failure, and those of one message by delivery.

    The end of a worker is found later than it happened, so times alone would not do.
    """
    first: dict[str, str] = {}
    for each in attempts:
        first[each.message_id] = min(each.at, first.get(each.message_id, each.at))
    return tuple(
        sorted(attempts, key=lambda x: (first[x.message_id], x.message_id, x.receive_count))
    )


def _attempt(name: str, fields: dict[str, Any]) -> FailedAttempt:
    message_id, _, receive_count = name.removeprefix(f"{_ATTEMPT}#").rpartition("#")
    texts = ("at", "type", "reason", "outcome", "stack", "frame", "worker", "version")
    number = fields.get("attempt", 0)
    return FailedAttempt(
        message_id=message_id,
        receive_count=int(receive_count) if receive_count.isdigit() else 0,
        attempt=number if isinstance(number, int) else 0,
        **{text: str(fields.get(text, "")) for text in texts},  # type: ignore[arg-type]  # another version may know more outcomes
    )


def update_of(
    table: str, key: str, about: Glimpse, attempt: FailedAttempt, *, expires: str, found: bool
) -> dict[str, Any]:
    """Return the request that writes one attempt; ``found`` as in ``Store.record_failure``."""
    texts = {name: getattr(about, field) for name, field in _ABOUT.items()}
    once = {name: text for name, text in texts.items() if text} | {"firstAt": attempt.at}
    if about.subject:
        once["subject"] = dict(about.subject)
    sets = [f"#{name} = if_not_exists(#{name}, :{name})" for name in once]
    sets.append("#attempt = if_not_exists(#attempt, :attempt)" if found else "#attempt = :attempt")
    return {
        "TableName": table,
        "Key": row_key(key),
        "UpdateExpression": f"SET #expires = :expires, {', '.join(sets)} "
        "ADD #kept :one, #recorded :one",
        "ConditionExpression": "attribute_not_exists(#kept) OR #kept < :most",
        # Placeholders for all of them: DynamoDB reserves hundreds of words.
        "ExpressionAttributeNames": {
            "#attempt": _name(attempt),
            **{f"#{name}": name for name in (*once, "expires", "kept", "recorded")},
        },
        "ExpressionAttributeValues": {
            **to_item({f":{name}": value for name, value in once.items()}),
            **to_item({":attempt": _fields(attempt), ":one": 1, ":most": MAX_KEPT}),
            ":expires": {"N": expires},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _pruning(update: dict[str, Any], row: Any) -> dict[str, Any]:
    """Return the same write, which also removes all attempts but the first and the newest."""
    names = [name for name in row if name.startswith(f"{_ATTEMPT}#")]
    gone = superseded(names, row)
    removed = {f"#old{i}": name for i, name in enumerate(gone)}
    expression = update["UpdateExpression"].replace(
        " ADD #kept :one,", f", #kept = :kept REMOVE {', '.join(removed)} ADD"
    )
    counts = to_item({":kept": len(names) - len(gone) + 1, ":most": MAX_KEPT})
    return update | {
        "UpdateExpression": expression if removed else update["UpdateExpression"],
        # If another worker has made room meanwhile, this attempt is left out.
        "ConditionExpression": "#kept >= :most",
        "ExpressionAttributeNames": update["ExpressionAttributeNames"] | removed,
        "ExpressionAttributeValues": update["ExpressionAttributeValues"] | counts,
        "ReturnValuesOnConditionCheckFailure": "NONE",
    }


def superseded(names: Sequence[str], row: Any) -> list[str]:
    """Return the attempts to drop from a full row: neither the first nor among the newest."""
    by_time = sorted(names, key=lambda name: row[name].get("M", {}).get("at", {}).get("S", ""))
    return by_time[1 : len(by_time) - _KEPT_WHEN_FULL + 2]


def _name(attempt: FailedAttempt) -> str:
    return f"{_ATTEMPT}#{attempt.message_id}#{attempt.receive_count}"


def _fields(attempt: FailedAttempt) -> dict[str, object]:
    texts = {
        "at": attempt.at,
        "type": attempt.type,
        "reason": attempt.reason,
        "stack": attempt.stack,
        "frame": attempt.frame,
        "outcome": attempt.outcome,
        "worker": attempt.worker,
        "version": attempt.version,
    }
    short = {name: text[:MAX_ATTEMPT_TEXT] for name, text in texts.items() if text}
    return short | {"attempt": attempt.attempt}
