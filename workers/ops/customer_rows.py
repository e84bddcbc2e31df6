"""Finds the rows that name a customer, for a person who erases the customer.

Orders have the address, the customer's id and the owner. Events have the address and the id, but
no owner. Therefore orders are found first, and then the events that name the customer or are about
one of these orders. Both read whole tables.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from workers.addresses import ERASED, readable
from workers.aws.scans import scan
from workers.signing import is_signed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_OUTCOMES: Final = 3  # of one handling; no handler has more than two
_BODIES: Final = ("body", *(f"outcomes[{n}]" for n in range(_MAX_OUTCOMES)))
# Texts in a filter. Each takes 8 operators and functions of 300, and 155 bytes of 4 KB:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
_MAX_TEXTS: Final = 20
_ORDER_ID: Final = re.compile(r'"orderId"\s*:\s*"([^"\\]*)"')


@dataclass(frozen=True)
class Customer:
    """The customer to erase: an address, or an id.

    The id is that in the shop's records, or the subject that owns the orders.
    """

    email: str | None = None
    customer_id: str | None = None

    @property
    def orders(self) -> dict[str, Any]:
        """The filter of a scan for the orders that name the customer."""
        field, forms = "customerId", [str(self.customer_id)]
        if self.email is not None:
            field, forms = "customerEmail", _forms(self.email)
        terms = [f"{field} = :form{n} OR #owner = :form{n}" for n in range(len(forms))]
        return {
            "FilterExpression": f"begins_with(pk, :order) AND ({' OR '.join(terms)})",
            "ExpressionAttributeNames": {"#owner": "owner"},  # a reserved word
            "ExpressionAttributeValues": {":order": {"S": "order#"}}
            | {f":form{n}": {"S": form} for n, form in enumerate(forms)},
        }

    @property
    def texts(self) -> set[str]:
        """The texts that name the customer in an encoded event."""
        if self.email is None:
            return {_encoded("customerId", str(self.customer_id))}
        return _addresses(self.email)


@dataclass(frozen=True)
class Row:
    """A row that names the customer, as DynamoDB returned it."""

    table: str
    item: Any

    @property
    def key(self) -> str:
        """The key of the row."""
        return str(self.item["pk"]["S"])

    @property
    def kind(self) -> str:
        """What the row is: order, inbox or outbox."""
        return self.key.partition("#")[0]

    @property
    def bodies(self) -> list[str]:
        """The encoded events that the row holds."""
        match self.kind:
            case "order":
                return []
            case "inbox":
                return [body["S"] for body in self.item["outcomes"]["L"]]
            case _:
                return [self.item["body"]["S"]]

    @property
    def order_ids(self) -> set[str]:
        """The orders that the row is about."""
        if self.kind == "order":
            return {self.key.partition("#")[2]}
        return {order_id for body in self.bodies for order_id in _ORDER_ID.findall(body)}

    @property
    def signed(self) -> bool:
        """Whether an event of the row needs another signature when its text changes."""
        return any(is_signed(body) for body in self.bodies)

    @property
    def in_progress(self) -> bool:
        """Whether more rows may follow that name the customer."""
        match self.kind:
            case "order":
                return bool(self.item["state"]["S"] == "pending")
            case _:
                return "outboxShard" in self.item


def find_orders(dynamodb: "DynamoDBClient", table: str, customer: Customer) -> list[Row]:
    """Return the orders that name the customer. Reads the whole table."""
    return [Row(table, item) for item in _scan(dynamodb, table, customer.orders)]


def find_events(
    dynamodb: "DynamoDBClient", table: str, customer: Customer, orders: Sequence[Row]
) -> Iterator[Row]:
    """Yield the rows with events that name the customer or are about one of the orders.

    Reads the whole table.
    """
    ids = {order_id for order in orders for order_id in order.order_ids}
    emails = {order.item["customerEmail"]["S"] for order in orders} - {ERASED}
    texts = customer.texts.union(*map(_addresses, emails))
    for item in _scan(dynamodb, table, _events(sorted(texts))):
        row = Row(table, item)
        named = any(text in body for text in customer.texts for body in row.bodies)
        if named or not ids.isdisjoint(row.order_ids):
            yield row


def due(rows: Sequence[Row], customer: Customer) -> list[Row]:
    """Return the rows to erase now.

    An order in progress that was found by its id or its owner is left for a later run: only the
    address in it leads to the events that are still to come.
    """
    direct = set(_forms(customer.email)) if customer.email else set()
    in_progress = {order_id for row in rows if row.in_progress for order_id in row.order_ids}
    return [
        row
        for row in rows
        if row.kind != "order"
        or row.item["customerEmail"]["S"] in direct
        or in_progress.isdisjoint(row.order_ids)
    ]


def _events(texts: list[str]) -> dict[str, Any]:
    """Return the filter for rows with one of the texts; of too many texts, for all events."""
    if len(texts) > _MAX_TEXTS:
        return {
            "FilterExpression": "begins_with(pk, :inbox) OR begins_with(pk, :outbox)",
            "ExpressionAttributeValues": {":inbox": {"S": "inbox#"}, ":outbox": {"S": "outbox#"}},
        }
    terms = [f"contains({body}, :text{n})" for n in range(len(texts)) for body in _BODIES]
    return {
        "FilterExpression": " OR ".join(terms),
        "ExpressionAttributeValues": {f":text{n}": {"S": text} for n, text in enumerate(texts)},
    }


def _scan(dynamodb: "DynamoDBClient", table: str, condition: dict[str, Any]) -> Iterator[Any]:
    for page in scan(dynamodb, {"TableName": table, "ConsistentRead": True} | condition):
        yield from page.items


def _forms(email: str) -> list[str]:
    """Return the spellings of an address: earlier versions stored the domain as it was typed."""
    return sorted({email, readable(email)})


def _addresses(email: str) -> set[str]:
    return {_encoded("customerEmail", form) for form in _forms(email)}


def _encoded(field: str, value: str) -> str:
    return orjson.dumps({field: value}).decode()[1:-1]
