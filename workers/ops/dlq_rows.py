"""The rows of a service's table about its dead letters: handled since, and each failed attempt."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.aws.dead_letters import READERS
from workers.aws.errors import translated
from workers.aws.items import to_document

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_PER_REQUEST: Final = 100
_ATTEMPT: Final = "attempt#"


@dataclass(frozen=True)
class FailedTry:
    """A failed attempt at an event, of any of its deliveries. An unknown text is empty."""

    message_id: str
    receive_count: int
    at: str = ""  # ISO 8601, UTC
    type: str = ""
    reason: str = ""
    stack: str = ""
    frame: str = ""
    outcome: str = ""
    worker: str = ""
    version: str = ""


@dataclass(frozen=True)
class Known:
    """What a service's table knows about an event."""

    processed: bool = False  # its effect is committed
    attempts: tuple[FailedTry, ...] = ()  # by time; kept for 30 days

    @property
    def versions(self) -> frozenset[str]:
        """The versions of the workers that failed."""
        return frozenset(each.version for each in self.attempts if each.version)


NOTHING: Final = Known()


def known_about(
    dynamodb: "DynamoDBClient", table: str, keys: Iterable[str], *, scope: str = ""
) -> Mapping[str, Known]:
    """Look up events by ``DeadMessage.key``, consistently; ``scope`` is that of the inbox."""
    wanted = sorted(set(keys))
    kinds = (f"inbox#{scope}", "failures#")
    rows = read_rows(dynamodb, table, [f"{kind}{key}" for key in wanted for kind in kinds])
    return {
        key: Known(
            processed=f"inbox#{scope}{key}" in rows,
            attempts=attempts_in(rows.get(f"failures#{key}", {})),
        )
        for key in wanted
    }


def read_rows(
    dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Read rows by key, without what a handling led to; absent ones are left out."""
    parts = [keys[start : start + _PER_REQUEST] for start in range(0, len(keys), _PER_REQUEST)]
    if not parts:
        return {}
    with ThreadPoolExecutor(min(READERS, len(parts)), thread_name_prefix="rows") as pool:
        found = pool.map(lambda part: _read(dynamodb, table, part), parts)
        return {key: row for rows in found for key, row in rows.items()}


def attempts_in(row: Mapping[str, Any]) -> tuple[FailedTry, ...]:
    """Read the attempts in a row ``failures#``; another version may have written it."""
    tries = [
        _try(name, fields)
        for name, fields in row.items()
        if name.startswith(_ATTEMPT) and isinstance(fields, dict)
    ]
    return tuple(sorted(tries, key=lambda each: (each.at, each.receive_count)))


def _try(name: str, fields: Mapping[str, Any]) -> FailedTry:
    message_id, _, receives = name.removeprefix(_ATTEMPT).rpartition("#")
    texts = ("at", "type", "reason", "stack", "frame", "outcome", "worker", "version")
    return FailedTry(
        message_id=message_id,
        receive_count=int(receives) if receives.isascii() and receives.isdigit() else 0,
        **{text: str(fields.get(text, "")) for text in texts},
    )


def _read(
    dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    wanted: Any = {table: {"Keys": [{"pk": {"S": key}} for key in keys], "ConsistentRead": True}}
    with translated("dynamodb"):
        while wanted:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
            for item in answer["Responses"].get(table, ()):
                item.pop("outcomes", None)  # events, with personal data
                found[item["pk"]["S"]] = to_document(item)
            wanted = answer.get("UnprocessedKeys")
    return found
