"""Reads a whole table page by page, for operators."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class ScanPage:
    """One page of at most 1 MB before filtering. ``rows`` were read, and paid for."""

    items: tuple[Any, ...]
    rows: int
    next_key: str | None  # to go on behind; None at the end


def scan(
    client: "DynamoDBClient", request: dict[str, Any], *, after: str | None = None
) -> Iterator[ScanPage]:
    """Yield the pages of a scan; ``after`` is the ``next_key`` of an earlier page."""
    start = {"ExclusiveStartKey": {"pk": {"S": after}}} if after else {}
    read: Any = client.scan
    while True:
        with translated("dynamodb"):
            answer = read(**request, **start)
        last = answer.get("LastEvaluatedKey")
        start = {"ExclusiveStartKey": last}
        yield ScanPage(tuple(answer["Items"]), answer["ScannedCount"], last and last["pk"]["S"])
        if last is None:
            return
