"""Reads many rows of several tables by key, in as few requests as DynamoDB allows."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from workers.aws.errors import translated
from workers.runtime.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_KEYS: Final = 100
AT_ONCE: Final = 8  # requests
# DynamoDB leaves out what exceeds 16 MB or the table's throughput, and asks to back off.
_WAITS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # s

Row: TypeAlias = tuple[str, str]  # a table and the key of a row in it


def batch_get(
    dynamodb: "DynamoDBClient",
    rows: Iterable[Row],
    *,
    consistent: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Row, Any]:
    """Read rows; those that do not exist are absent from the result.

    Reads that need not be ``consistent`` cost half.

    Raises ``Unavailable`` if DynamoDB keeps throttling.
    """
    wanted = sorted(set(rows))
    parts = [wanted[start : start + MAX_KEYS] for start in range(0, len(wanted), MAX_KEYS)]
    if len(parts) < 2:  # noqa: PLR2004 - nothing to do at once
        found = [_read(dynamodb, part, consistent, sleep) for part in parts]
    else:
        with ThreadPoolExecutor(min(AT_ONCE, len(parts)), thread_name_prefix="rows") as pool:
            found = list(pool.map(lambda part: _read(dynamodb, part, consistent, sleep), parts))
    return {row: item for items in found for row, item in items.items()}


def _read(
    dynamodb: "DynamoDBClient",
    rows: Sequence[Row],
    consistent: bool,  # noqa: FBT001 - private
    sleep: Callable[[float], None],
) -> dict[Row, Any]:
    found: dict[Row, Any] = {}
    missing, waits = _request(rows, consistent), iter(_WAITS)
    while True:
        before = len(found)
        with translated("dynamodb"):
            answer = dynamodb.batch_get_item(RequestItems=missing)
        for table, items in answer["Responses"].items():
            found |= {(table, str(item["pk"]["S"])): item for item in items}
        missing = answer.get("UnprocessedKeys") or {}
        if not missing:
            return found
        if len(found) > before:  # an answer that was full: not throttled
            waits = iter(_WAITS)
        if (wait := next(waits, None)) is None:
            raise Unavailable("dynamodb: it keeps throttling reads", dependency="dynamodb")
        sleep(wait)


def _request(rows: Iterable[Row], consistent: bool) -> Any:  # noqa: FBT001 - private
    tables: dict[str, Any] = {}
    for table, key in rows:
        wanted = tables.setdefault(table, {"Keys": [], "ConsistentRead": consistent})
        wanted["Keys"].append({"pk": {"S": key}})
    return tables
