"""Asks a service's inbox which events it has handled."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from workers.aws.batch_get import MAX_KEYS
from workers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_INBOX: Final = "inbox#"


def handled(
    dynamodb: "DynamoDBClient", table: str, keys: Collection[str], *, scope: str = ""
) -> set[str]:
    """Return those of ``keys`` (``Envelope.key``) whose inbox row exists. Reads consistently.

    ``scope`` is that of the generation in use (``aws/generations.py``); only analytics has one.
    """
    found: set[str] = set()
    remaining = iter(dict.fromkeys(keys))
    while batch := list(islice(remaining, MAX_KEYS)):
        rows = _rows(dynamodb, table, [f"{_INBOX}{scope}{key}" for key in batch])
        found |= {row.removeprefix(f"{_INBOX}{scope}") for row in rows}
    return found


def _rows(dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]) -> Iterator[str]:
    wanted: Any = {
        table: {
            "Keys": [{"pk": {"S": key}} for key in keys],
            "ConsistentRead": True,
            "ProjectionExpression": "pk",
        }
    }
    while wanted:
        with translated("dynamodb"):
            answer = dynamodb.batch_get_item(RequestItems=wanted)
        yield from (item["pk"]["S"] for item in answer["Responses"].get(table, ()))
        wanted = answer.get("UnprocessedKeys")
