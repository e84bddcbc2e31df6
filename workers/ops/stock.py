"""What the inventory has of each article: set by a person, and listed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.items import to_document

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PREFIX: Final = "stock#"


@dataclass(frozen=True)
class Stock:
    """One article."""

    sku: str
    available: int
    reserved: int
    reorder_threshold: int


def set_stock(
    dynamodb: "DynamoDBClient", table: str, sku: str, *, available: int, reorder_threshold: int
) -> None:
    """Set what is available of an article; what is reserved stays. Any number of times.

    A service that has read the row and writes it after this starts over.
    """
    with translated("dynamodb"):
        dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": _PREFIX + sku}},
            UpdateExpression=(
                "SET available = :available, reorderThreshold = :threshold,"
                " reserved = if_not_exists(reserved, :zero) ADD version :one"
            ),
            ExpressionAttributeValues={
                ":available": {"N": str(available)},
                ":threshold": {"N": str(reorder_threshold)},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            },
        )


def list_stock(dynamodb: "DynamoDBClient", table: str) -> list[Stock]:
    """List all articles by SKU. Reads the whole table: for a person, not for a service."""
    with translated("dynamodb"):
        pages = dynamodb.get_paginator("scan").paginate(
            TableName=table,
            ConsistentRead=True,
            FilterExpression="begins_with(pk, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": _PREFIX}},
        )
        rows = [item for page in pages for item in page["Items"]]
    return sorted(map(_stock, rows), key=lambda stock: stock.sku)


def _stock(item: Any) -> Stock:
    document = to_document(item)
    return Stock(
        sku=item["pk"]["S"].removeprefix(_PREFIX),
        available=_whole(document.get("available", 0)),
        reserved=_whole(document.get("reserved", 0)),
        reorder_threshold=_whole(document.get("reorderThreshold", 0)),
    )


def _whole(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - the services count whole pieces
    return value
