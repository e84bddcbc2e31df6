"""Sums the counters that analytics keeps."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from workers.aws.batch_get import MAX_KEYS
from workers.aws.errors import translated
from workers.aws.generations import current_generation, scope_of
from workers.aws.items import to_document
from workers.services.analytics import Number, keys_of, merge

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_HOURS: Final = 24 * 31


def read_counters(
    dynamodb: "DynamoDBClient", table: str, *, hours: int, now: datetime
) -> dict[str, Number]:
    """Sum the last ``hours`` hours (1 to ``MAX_HOURS``), the current one included.

    Returns events by type, and revenue as ``revenue.<currency>``, of the generation in use: see
    ``aws/generations.py``.
    """
    scope = scope_of(current_generation(dynamodb, table))
    keys = [scope + key for key in keys_of(hours, now)]
    with translated("dynamodb"):
        return merge(
            to_document(item)
            for start in range(0, len(keys), MAX_KEYS)
            for item in _get(dynamodb, table, keys[start : start + MAX_KEYS])
        )


def _get(dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]) -> Iterator[Any]:
    wanted: Any = {table: {"Keys": [{"pk": {"S": key}} for key in keys]}}
    while wanted:
        answer = dynamodb.batch_get_item(RequestItems=wanted)
        yield from answer["Responses"].get(table, ())
        wanted = answer.get("UnprocessedKeys")
