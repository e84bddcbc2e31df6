"""The differences between an order and its books, as a pure function.

An order says what should be; payment, ledger, reservation and mails say what is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from workers.ops.books import Books, Movement
from workers.services.order import Order

# Order state -> mails that the customer must have got.
MAILS: Final = {
    "confirmed": ("order-confirmation",),
    "shipped": ("order-confirmation", "shipping-notification"),
    "cancelled": ("cancellation-confirmation",),
    "refunded": ("refund-notice",),
}
SHIPPED: Final = "order.shipped"


@dataclass(frozen=True)
class Difference:
    """Two records that do not agree. ``subject`` is an order id, an SKU or an event id."""

    kind: str
    subject: str
    what: str
    action: str  # what to do about it


def differences_of(order: Order, books: Books) -> Iterator[Difference]:
    """Yield the differences of one order, which has been at rest since its last change."""
    for kind, what, action in (*_money(order, books), *_stock(order, books), *_told(order, books)):
        yield Difference(kind, order.order_id, what, action.format(id=order.order_id))


def _money(order: Order, books: Books) -> Iterator[tuple[str, str, str]]:
    charge, refund = books.charge, books.refund
    state = books.payment.state if books.payment else "missing"
    what = f"the order is {order.state}, its payment {state}"
    match order.state:
        case "pending" if charge is not None and books.payment is None:
            yield "not_recorded", f"{what}, but it was charged", _CHARGE
        case "confirmed" | "shipped":
            if state != "completed" or charge is None:
                yield (
                    "not_charged",
                    what + ("" if charge else ", the ledger has no charge"),
                    _CHARGE,
                )
            if refund is not None:
                yield "refunded", f"{what}, but the money was returned", _SHOW
        case "cancelled" | "refunded" if refund is None:
            if charge is not None or state == "completed":
                what += ", the money was not returned"
                yield "not_refunded", what, _again("payment", f"order.{order.state}")
    yield from _amounts(order, charge, refund)
    if state in ("completed", "failed", "refunded") and order.payment != state:
        yield _lost("payment", order.payment, state)


def _amounts(
    order: Order, charge: Movement | None, refund: Movement | None
) -> Iterator[tuple[str, str, str]]:
    if charge is None:
        return
    paid = _sum(charge.amount, charge.currency)
    if order.total_amount is not None:
        total = _sum(order.total_amount, order.currency)
        if total != paid:
            yield "wrong_amount", f"the total is {total}, charged {paid}", _SHOW
    if refund is not None and _sum(refund.amount, refund.currency) != paid:
        returned = _sum(refund.amount, refund.currency)
        yield "wrong_amount", f"charged {paid}, refunded {returned}", _SHOW


def _stock(order: Order, books: Books) -> Iterator[tuple[str, str, str]]:
    held = books.reservation.state if books.reservation else "missing"
    what = f"the order is {order.state}, its reservation {held}"
    shipped = any(entry.event_type == SHIPPED for entry in order.history)
    match (order.state, held):
        case ("confirmed", "reserved") | ("shipped", "shipped"):
            pass
        case ("shipped", "reserved"):
            yield "stock_held", what, _SETTLE
        case ("confirmed" | "shipped", _):
            yield "not_reserved", what, "count the items, then: workers stock adjust"
        case ("refunded", "reserved") if shipped:
            yield "stock_held", what, _SETTLE
        case ("refunded", "reserved"):
            yield "stock_held", what, "publish its order.cancelled: workers publish"
        case ("cancelled", "reserved"):
            yield "stock_held", what, _again("inventory", "order.cancelled")
        case ("cancelled", "shipped"):
            yield "not_reserved", what, "count the items, then: workers stock adjust"
    reported = {"shipped": "reserved"}.get(held, held)
    if reported in ("reserved", "failed", "released") and order.inventory != reported:
        yield _lost("inventory", order.inventory, reported)


def _told(order: Order, books: Books) -> Iterator[tuple[str, str, str]]:
    for kind in mails_of(order):
        if kind not in books.mails:
            yield "not_told", f"the order is {order.state}, no {kind} was mailed", _TRACE


def mails_of(order: Order) -> tuple[str, ...]:
    """Return the kinds of mail that an order in its state must have led to."""
    return MAILS.get(order.state, ())


_CHARGE: Final = "look: workers trace {id}; then redrive its order.created, or cancel the order"
_SETTLE: Final = "workers stock settle {id} --yes"
_SHOW: Final = "look: workers order show {id}; correct it at the payment provider"
_TRACE: Final = "look: workers trace {id}; then redrive or replay what is missing"


def _again(service: str, event_type: str) -> str:
    return (
        f"workers trace {{id}}; redrive its {event_type} if {service} gave up, "
        f"else: workers replay --order {{id}} --type {event_type} --to {service}"
    )


def _lost(service: str, says: str, state: str) -> tuple[str, str, str]:
    what = f"{service} has {state} on record, the order says {says}"
    return "report_lost", what, _again("orders", f"{service}.{state}")


def _sum(amount: Decimal, currency: str | None) -> str:
    return f"{amount:.2f} {currency}"
