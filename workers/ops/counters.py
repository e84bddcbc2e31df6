"""Sums the counters that analytics keeps."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from workers.aws.batch_get import batch_get
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
    rows = batch_get(dynamodb, [(table, key) for key in keys], consistent=False)
    return merge(map(to_document, rows.values()))
