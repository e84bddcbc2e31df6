"""Reads and changes the price list, one row in the table of the orders.

A row holds 400 KB, which is enough for the prices of 5,000 items with the longest SKUs.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.services.prices import KEY, PREFIX, Price, Prices, prices_in

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Seconds after which a change is in effect in every process. Orders in progress then are accepted
# at the old price: each was read and checked whole, and keeps the price that it names.
EFFECTIVE_WITHIN: Final = 10.0


@dataclass
class CachedPrices:
    """Implements ``PriceList``: one read in ``EFFECTIVE_WITHIN``, whatever the number of orders.

    No thread waits for the read of another: those that find the list too old each read it.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[float, Prices] | None = field(default=None, init=False)

    def __call__(self) -> Prices:
        """Return the prices, from memory if they are young enough."""
        now, seen = self.clock(), self._seen
        if seen is None or now - seen[0] >= EFFECTIVE_WITHIN:
            self._seen = seen = now, read(self.client, self.table)
        return seen[1]


def read(client: "DynamoDBClient", table: str) -> Prices:
    """Read the price list, consistently."""
    with translated("dynamodb"):
        item = client.get_item(TableName=table, Key={"pk": {"S": KEY}}, ConsistentRead=True).get(
            "Item"
        )
    return prices_in(to_document(item)) if item else {}


def change(client: "DynamoDBClient", table: str, sku: str, price: Price | None) -> Price | None:
    """Set the price of an item, or remove it; return the one before. Safe to repeat."""
    request: dict[str, Any] = {"UpdateExpression": "REMOVE #item"}
    if price is not None:
        request = {
            "UpdateExpression": "SET #item = :price",
            "ExpressionAttributeValues": {":price": {"S": str(price)}},
        }
    update: Any = client.update_item
    with translated("dynamodb"):
        changed = update(
            TableName=table,
            Key={"pk": {"S": KEY}},
            ExpressionAttributeNames={"#item": f"{PREFIX}{sku}"},
            ReturnValues="UPDATED_OLD",
            **request,
        )
    return prices_in(to_document(changed.get("Attributes", {}))).get(sku)
