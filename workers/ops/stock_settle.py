"""Takes the units of shipped orders out of the stock, where inventory never got ``order.shipped``.

Earlier versions of inventory did not consume that event. The units of orders that shipped then
would stay reserved forever.
"""

from collections.abc import Iterator

from workers.aws.batch_get import batch_get
from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_document
from workers.aws.scans import scan
from workers.events import OrderShipped
from workers.ops.books import Library
from workers.ops.stock_buckets import OPERATOR
from workers.services.inventory import PREFIX, Inventory
from workers.services.order import Order, key_of


def held_by_shipped(library: Library) -> Iterator[Order]:
    """Yield the shipped orders that still hold units. Reads the whole table of inventory."""
    request = {
        "TableName": library.table("inventory"),
        "FilterExpression": "begins_with(pk, :prefix) AND #state = :reserved",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":prefix": {"S": PREFIX}, ":reserved": {"S": "reserved"}},
    }
    for page in scan(library.dynamodb, request):
        ids = [item["pk"]["S"].removeprefix(PREFIX) for item in page.items]
        yield from (order for order in orders_of(library, ids) if has_shipped(order))


def orders_of(library: Library, order_ids: list[str]) -> list[Order]:
    """Read orders; those that do not exist are left out."""
    table = library.table("orders")
    rows = batch_get(library.dynamodb, [(table, key_of(each)) for each in order_ids])
    return [Order.of(to_document(item)) for item in rows.values()]


def has_shipped(order: Order) -> bool:
    """Return whether the items have left the warehouse; a refund afterwards changes nothing."""
    return any(entry.event_type == OrderShipped.type for entry in order.history)


def settle(library: Library, order: Order) -> None:
    """Do what inventory does for ``order.shipped``: in one transaction, and only once.

    Raises ``Conflict`` if an order takes the same item at the same moment: repeat it then.
    """
    shipped = OrderShipped(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
    )
    store = DynamoStore(library.dynamodb, library.table("inventory"))
    transaction = store.begin(f"{OPERATOR}settled-{order.order_id}")
    Inventory().ship(shipped, transaction)
    store.commit(transaction, ())
