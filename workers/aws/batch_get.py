"""Reads many rows of several tables by key, in as few requests as DynamoDB allows."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from workers.aws.errors import translated
from workers.runtime.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_KEYS: Final = 100
# DynamoDB leaves out what exceeds 16 MB or the table's throughput, and asks to back off.
_WAITS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # s

Row: TypeAlias = tuple[str, str]  # a table and the key of a row in it


def batch_get(
    dynamodb: "DynamoDBClient",
    rows: Iterable[Row],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Row, Any]:
    """Read rows consistently; those that do not exist are absent from the result.

    Raises ``Unavailable`` if DynamoDB keeps throttling.
    """
    wanted, found = sorted(set(rows)), dict[Row, Any]()
    for start in range(0, len(wanted), MAX_KEYS):
        missing = _request(wanted[start : start + MAX_KEYS])
        for wait in (*_WAITS, None):
            with translated("dynamodb"):
                answer = dynamodb.batch_get_item(RequestItems=missing)
            for table, items in answer["Responses"].items():
                found |= {(table, str(item["pk"]["S"])): item for item in items}
            missing = answer.get("UnprocessedKeys") or {}
            if not missing:
                break
            if wait is None:
                raise Unavailable("dynamodb: it keeps throttling reads", dependency="dynamodb")
            sleep(wait)
    return found


def _request(rows: Iterable[Row]) -> Any:
    tables: dict[str, Any] = {}
    for table, key in rows:
        wanted = tables.setdefault(table, {"Keys": [], "ConsistentRead": True})
        wanted["Keys"].append({"pk": {"S": key}})
    return tables
