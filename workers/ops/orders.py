"""Orders for operators: one of them with all its books, or a search over all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.aws.scans import scan
from workers.ops.books import Books, Library
from workers.runtime.observability.logs import redact
from workers.services.order import THE_OWNER, Entry, Order, key_of, names_in

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MASK: Final = "***"
PREFIX: Final = "order#"


@dataclass(frozen=True)
class Account:
    """An order, and what the services have stored about it."""

    order: Order
    books: Books

    def fields(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return everything as plain values; personal data is masked unless ``reveal``."""
        order, books = self.order, self.books
        hide = (lambda text: text) if reveal else redact
        payment, held = books.payment, books.reservation
        return {
            "order_id": order.order_id,
            "state": order.state,
            "created_at": order.created_at.isoformat(),
            "customer_email": order.customer_email if reveal else MASK,
            "customer_id": order.customer_id if reveal or not order.customer_id else MASK,
            "owner": order.owner if reveal or not order.owner else MASK,
            "correlation_id": order.correlation_id,
            "items": [f"{x.quantity} x {x.sku} at {x.price}" for x in order.items],
            "total": _money(order.total_amount, order.currency),
            "reasons": [hide(reason) for reason in order.reasons],
            "payment": order.payment,
            "payment_id": order.payment_id or (payment.payment_id if payment else None) or None,
            "payment_on_record": payment.state if payment else None,
            "ledger": [
                {"kind": m.kind, "amount": _money(m.amount, m.currency), "payment_id": m.payment_id}
                for m in books.movements
            ],
            "inventory": order.inventory,
            "reservation": held.state if held else None,
            "held": dict(held.items) if held else {},
            "mails": [
                {"kind": kind, "sent_at": mail.at}
                | ({"withheld": mail.withheld} if mail.withheld else {})
                for kind, mail in sorted(books.mails.items(), key=lambda each: each[1].at)
            ],
            "history": [
                {"at": entry.at.isoformat(), "event_type": entry.event_type}
                | ({"by": self._by(entry, reveal=reveal)} if entry.by else {})
                for entry in order.history
            ],
        }

    def _by(self, entry: Entry, *, reveal: bool) -> str | None:
        """Return who asked for a step. That it was the owner tells nothing about a person."""
        if not reveal and entry.by in names_in(self.order.document()):
            return THE_OWNER
        return entry.by


@dataclass(frozen=True)
class Found:
    """An order in a search. It has no personal data."""

    order_id: str
    state: str
    payment: str
    inventory: str
    created_at: str


@dataclass(frozen=True)
class Page:
    """A part of a search: what one request read."""

    orders: tuple[Found, ...]
    rows: int  # read, and paid for
    next_key: str | None  # to go on behind; None at the end


def account(library: Library, order_id: str) -> Account | None:
    """Read an order with its books; None if it does not exist."""
    table, key = library.table("orders"), {"pk": {"S": key_of(order_id)}}
    with translated("dynamodb"):
        item = library.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    if item is None:
        return None
    return Account(Order.of(to_document(item)), library.read([order_id])[order_id])


def search(
    dynamodb: "DynamoDBClient",
    table: str,
    *,
    state: str | None = None,
    created_before: datetime | None = None,
    email: str | None = None,
    after: str | None = None,
) -> Iterator[Page]:
    """Yield the orders that match, page by page, in no particular order.

    There is no index: orders are found by their ids, and an index on state would cost a write for
    every change of every order. So a search reads the whole table, with DynamoDB doing the
    filtering, at half a read unit per 4 KB. ``after`` is the ``next_key`` of an earlier page.
    """
    request = _filter(state, created_before, email) | {"TableName": table}
    for page in scan(dynamodb, request, after=after):
        found = tuple(_found(to_document(item)) for item in page.items)
        yield Page(found, page.rows, page.next_key)


def _filter(
    state: str | None, created_before: datetime | None, email: str | None
) -> dict[str, Any]:
    terms, values = ["begins_with(pk, :prefix)"], {":prefix": {"S": PREFIX}}
    names = {name: name.removeprefix("#") for name in _SHOWN}
    if state:
        terms.append("#state = :state")
        values[":state"] = {"S": state}
    if created_before:
        terms.append("#createdAt <= :before")
        # As stored: UTC, with a Z.
        values[":before"] = {"S": created_before.astimezone(UTC).isoformat()[:19] + "Z"}
    if email:
        terms.append("customerEmail = :email")
        values[":email"] = {"S": email}
    return {
        "FilterExpression": " AND ".join(terms),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ProjectionExpression": ", ".join(_SHOWN),
    }


_SHOWN: Final = ("#orderId", "#state", "#payment", "#inventory", "#createdAt")


def _found(row: Mapping[str, Any]) -> Found:
    fields = ("orderId", "state", "payment", "inventory", "createdAt")
    return Found(*(str(row.get(name, "")) for name in fields))


def _money(amount: Decimal | None, currency: str | None) -> str | None:
    return None if amount is None else f"{amount:.2f} {currency}"
