"""Changes of the stock by an operator, which do not race with orders."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from workers.aws.dynamodb import DynamoStore
from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.aws.scans import scan
from workers.ops import stock_buckets
from workers.ops.books import reservation_of
from workers.runtime.errors import Conflict
from workers.services.buckets import NotEnough
from workers.services.inventory import PREFIX as RESERVATION
from workers.services.stock import AVAILABLE, REORDER_THRESHOLD, RESERVED, Stock, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

TRIES: Final = 5  # of setting an item that orders keep changing


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
    for _ in range(TRIES):
        seen = look(dynamodb, table, sku)
        if seen is None and not create:
            raise UnknownItem(sku)
        if seen and seen.stock.buckets > 1:
            store = DynamoStore(dynamodb, table)
            return stock_buckets.set_available(store, sku, available, reorder_threshold)
        before = seen.stock if seen else Stock(sku)
        threshold = before.reorder_threshold if reorder_threshold is None else reorder_threshold
        request = {
            "UpdateExpression": f"SET {AVAILABLE} = :available, {REORDER_THRESHOLD} = :threshold,"
            f" {RESERVED} = if_not_exists({RESERVED}, :zero) ADD version :one",
            "ConditionExpression": "version = :version" if seen else "attribute_not_exists(pk)",
            "ExpressionAttributeValues": {
                ":available": {"N": str(available)},
                ":threshold": {"N": str(threshold)},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            }
            | ({":version": {"N": str(seen.version)}} if seen else {}),
        }
        if _update(dynamodb, table, sku, request) is not None:
            return before, Stock(sku, available, before.reserved, threshold)
    raise Conflict(f"dynamodb: orders keep changing {sku}; use stock adjust")


def adjust(dynamodb: "DynamoDBClient", table: str, sku: str, units: int) -> Stock:
    """Add units to the available ones, or take them away; return the stock after it.

    Raises ``UnknownItem``, and ``NotEnough`` if fewer units are available than are to be taken.
    """
    before = look(dynamodb, table, sku)
    if before and before.stock.buckets > 1:
        return stock_buckets.adjust(DynamoStore(dynamodb, table), sku, units)[1]
    request = {
        "UpdateExpression": f"ADD {AVAILABLE} :units, version :one",
        "ConditionExpression": f"attribute_exists({AVAILABLE}) AND {AVAILABLE} >= :least",
        "ExpressionAttributeValues": {
            ":units": {"N": str(units)},
            ":least": {"N": str(max(0, -units))},
            ":one": {"N": "1"},
        },
    }
    after = _update(dynamodb, table, sku, request)
    if after is not None:
        return after
    seen = look(dynamodb, table, sku)
    if seen is None:
        raise UnknownItem(sku)
    raise NotEnough(f"{sku}: {seen.stock.available} available, cannot take {-units}")


# DynamoDB refuses a write of a row that a transaction of an order is writing at this moment.
@retry(
    retry=retry_if_exception_type(Conflict),
    stop=stop_after_attempt(stock_buckets.TRIES),
    wait=wait_random(0, stock_buckets.LONGEST_WAIT),
    reraise=True,
)
def _update(
    dynamodb: "DynamoDBClient", table: str, sku: str, request: dict[str, Any]
) -> Stock | None:
    """Write an item and return its stock; None if the condition does not hold."""
    update: Any = dynamodb.update_item
    with translated("dynamodb"):
        try:
            written = update(
                TableName=table,
                Key={"pk": {"S": key_of(sku)}},
                ReturnValues="ALL_NEW",
                **request,
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return None
    return Stock.read(sku, to_document(written["Attributes"]))
