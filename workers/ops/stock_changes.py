"""Changes of the stock by an operator, which do not race with orders."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.aws.dynamodb import DynamoStore
from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.aws.scans import scan
from workers.ops import stock_buckets
from workers.ops.books import reservation_of
from workers.services.inventory import PREFIX as RESERVATION
from workers.services.stock import Stock, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient


class UnknownItem(LookupError):
    """The inventory has no such item."""


@dataclass(frozen=True)
class Seen:
    """The stock of an item when it was read. ``version`` is that of its first row."""

    stock: Stock
    version: int


@dataclass(frozen=True)
class Holder:
    """An order that holds units of an item."""

    order_id: str
    units: int


def look(dynamodb: "DynamoDBClient", table: str, sku: str) -> Seen | None:
    """Read the stock of an item; None if the inventory does not have it."""
    with translated("dynamodb"):
        item = dynamodb.get_item(
            TableName=table, Key={"pk": {"S": key_of(sku)}}, ConsistentRead=True
        ).get("Item")
    if item is None:
        return None
    stock = Stock.read(sku, to_document(item))
    if stock.buckets > 1:
        stock = stock_buckets.stock_of(dynamodb, table, sku)
    return Seen(stock, int(item.get("version", {}).get("N", "0")))


def holders(dynamodb: "DynamoDBClient", table: str, sku: str) -> "Iterator[Holder]":
    """Yield the orders that hold units of an item. Reads the whole table: for a person."""
    request: dict[str, Any] = {
        "TableName": table,
        "FilterExpression": "begins_with(pk, :prefix) AND #state = :reserved",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":prefix": {"S": RESERVATION},
            ":reserved": {"S": "reserved"},
        },
    }
    for page in scan(dynamodb, request):
        for item in page.items:
            units = sum(n for name, n in reservation_of(item).items if name == sku)
            if units:
                yield Holder(item["pk"]["S"].removeprefix(RESERVATION), units)


def set_available(
    dynamodb: "DynamoDBClient",
    table: str,
    sku: str,
    available: int,
    *,
    reorder_threshold: int | None,
    create: bool,
) -> tuple[Stock, Stock]:
    """Set the available units of an item; return its stock before and after.

    The write holds only for the stock that is returned as before: if an order comes in between, it
    is read again. Raises ``UnknownItem`` unless the item exists or ``create``, ``Conflict`` if
    orders keep changing the item.
    """
    if not create and look(dynamodb, table, sku) is None:
        raise UnknownItem(sku)
    store = DynamoStore(dynamodb, table)
    return stock_buckets.set_available(store, sku, available, reorder_threshold)


def adjust(dynamodb: "DynamoDBClient", table: str, sku: str, units: int) -> Stock:
    """Add units to the available ones, or take them away; return the stock after it.

    Raises ``UnknownItem``, ``NotEnough`` if fewer units are available than are to be taken, and
    ``Conflict`` if orders keep changing the item.
    """
    if look(dynamodb, table, sku) is None:
        raise UnknownItem(sku)
    return stock_buckets.adjust(DynamoStore(dynamodb, table), sku, units)[1]
