"""The stock of the inventory, as an operator sets and lists it."""

from typing import TYPE_CHECKING

from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.services.stock import (
    AVAILABLE,
    BUCKET,
    PREFIX,
    REORDER_THRESHOLD,
    RESERVED,
    Stock,
    key_of,
    listed,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def set_stock(
    dynamodb: "DynamoDBClient", table: str, sku: str, *, available: int, reorder_threshold: int
) -> None:
    """Set the available units of an item that has one row; reserved units stay. Safe to repeat.

    A service that read the row before this and writes it afterwards has to start over.
    """
    with translated("dynamodb"):
        dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": key_of(sku)}},
            UpdateExpression=(
                f"SET {AVAILABLE} = :available, {REORDER_THRESHOLD} = :threshold,"
                f" {RESERVED} = if_not_exists({RESERVED}, :zero) ADD version :one"
            ),
            ExpressionAttributeValues={
                ":available": {"N": str(available)},
                ":threshold": {"N": str(reorder_threshold)},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            },
        )


def list_stock(dynamodb: "DynamoDBClient", table: str) -> list[Stock]:
    """List all items by SKU. Scans the whole table: for a person, not for a service."""
    with translated("dynamodb"):
        pages = dynamodb.get_paginator("scan").paginate(
            TableName=table,
            ConsistentRead=True,
            FilterExpression="begins_with(pk, :row) OR begins_with(pk, :bucket)",
            ExpressionAttributeValues={":row": {"S": PREFIX}, ":bucket": {"S": BUCKET}},
        )
        rows = {item["pk"]["S"]: to_document(item) for page in pages for item in page["Items"]}
    return listed(rows)
