"""Reads the books of orders: payment, ledger, reservation and mails, as services stored them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.aws.batch_get import Row, batch_get
from workers.aws.items import to_document
from workers.services.inventory import PREFIX as RESERVATION
from workers.services.notification import key_of as mail_key
from workers.services.templates import FORMER, NAMES
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KINDS: Final = tuple(sorted(NAMES | FORMER))  # of mails


@dataclass(frozen=True)
class Payment:
    """Payment's own record: completed, failed, refunded, or cancelled before any charge."""

    state: str
    payment_id: str = ""
    amount: Decimal | None = None
    currency: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Movement:
    """Money that moved: an entry in the ledger of the payment gateway."""

    kind: str  # charge, refund, or cancelled: a charge that came after its refund
    payment_id: str
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Reservation:
    """The units held for an order: reserved, shipped, released, failed or cancelled."""

    state: str
    items: tuple[tuple[str, int], ...] = ()  # SKU, units


@dataclass(frozen=True)
class Mail:
    """A mail that was sent, or withheld for a reason: over the limit, or no address any more."""

    at: str  # ISO 8601, UTC
    withheld: str = ""  # the reason; empty if it was sent


@dataclass(frozen=True)
class Books:
    """Every record about one order. None or empty: there is none."""

    payment: Payment | None = None
    movements: tuple[Movement, ...] = ()
    reservation: Reservation | None = None
    mails: Mapping[str, "Mail"] = field(default_factory=dict)  # by kind

    @property
    def charge(self) -> Movement | None:
        """The charge."""
        return next((each for each in self.movements if each.kind == "charge"), None)

    @property
    def refund(self) -> Movement | None:
        """The refund."""
        return next((each for each in self.movements if each.kind == "refund"), None)


@dataclass(frozen=True)
class Library:
    """Reads the books of orders."""

    dynamodb: "DynamoDBClient"
    settings: Settings
    topology: Topology

    def read(self, order_ids: Iterable[str], kinds: Iterable[str] = KINDS) -> dict[str, Books]:
        """Return the books of each order, with the mails of these kinds."""
        wanted, kinds = list(order_ids), list(kinds)
        rows = batch_get(
            self.dynamodb, (key for order_id in wanted for key in self._keys(order_id, kinds))
        )
        return {order_id: self._books(order_id, rows, kinds) for order_id in wanted}

    def table(self, service: str) -> str:
        """Return the name of a service's table."""
        return self.settings.table(self.topology.services[service].table)

    def _keys(self, order_id: str, kinds: Iterable[str]) -> Iterator[Row]:
        payment = self.table("payment")
        yield payment, f"payment#{order_id}"
        yield payment, f"ledger#charge-{order_id}"
        yield payment, f"ledger#refund-{order_id}"
        yield payment, f"gateway#charge-{order_id}"
        yield self.table("inventory"), f"{RESERVATION}{order_id}"
        yield from ((self.table("notification"), mail_key(kind, order_id)) for kind in kinds)

    def _books(self, order_id: str, rows: Mapping[Row, Any], kinds: Iterable[str]) -> Books:
        payment, reservation, *_ = (
            rows.get((self.table(service), key))
            for service, key in (
                ("payment", f"payment#{order_id}"),
                ("inventory", f"{RESERVATION}{order_id}"),
            )
        )
        keys = {kind: (self.table("notification"), mail_key(kind, order_id)) for kind in kinds}
        return Books(
            payment=payment_of(payment) if payment else None,
            movements=tuple(self._movements(order_id, rows)),
            reservation=reservation_of(reservation) if reservation else None,
            mails={kind: mail_of(rows[key]) for kind, key in keys.items() if key in rows},
        )

    def _movements(self, order_id: str, rows: Mapping[Row, Any]) -> Iterator[Movement]:
        for key in (f"ledger#charge-{order_id}", f"ledger#refund-{order_id}"):
            if row := rows.get((self.table("payment"), key)):
                yield movement_of(row)
        payment, intent = (
            rows.get((self.table("payment"), key))
            for key in (f"payment#{order_id}", f"gateway#charge-{order_id}")
        )
        if payment and intent:
            yield from _with_stripe(payment_of(payment))


def _with_stripe(payment: Payment) -> Iterator[Movement]:
    """Yield what payment's record says: Stripe's own are not in our tables.

    A claimed PaymentIntent alone proves nothing, because it may have been declined.
    """
    kinds = {"completed": ("charge",), "refunded": ("charge", "refund")}
    for kind in kinds.get(payment.state, ()):
        yield Movement(kind, payment.payment_id, payment.amount or Decimal(0), payment.currency)


def payment_of(item: Any) -> Payment:
    """Read a payment's row."""
    row = to_document(item)
    return Payment(
        state=_text(row, "state"),
        payment_id=_text(row, "paymentId"),
        amount=_money(row) if "amount" in row else None,
        currency=_text(row, "currency"),
        reason=_text(row, "reason"),
    )


def movement_of(item: Any) -> Movement:
    """Read an entry of the simulated gateway's ledger."""
    row = to_document(item)
    return Movement(
        _text(row, "kind"), _text(row, "paymentId"), _money(row), _text(row, "currency")
    )


def reservation_of(item: Any) -> Reservation:
    """Read a reservation's row."""
    row: Any = to_document(item)
    lines = [(str(line["sku"]), int(line["quantity"])) for line in row.get("items", ())]
    return Reservation(_text(row, "state"), tuple(lines))


def mail_of(item: Any) -> Mail:
    """Read the record of a mail."""
    row = to_document(item)
    if "withheldAt" in row:
        return Mail(_text(row, "withheldAt"), _text(row, "reason"))
    return Mail(_text(row, "sentAt"))


def _text(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name, ""))


def _money(row: Mapping[str, Any]) -> Decimal:
    return Decimal(_text(row, "amount") or 0)
