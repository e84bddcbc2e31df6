"""The state machine of an order, as pure functions.

    pending ----confirm---> confirmed ----ship---> shipped
       |                        |                     |
     cancel              cancel, refund            refund
       |                        |                     |
       +-----> cancelled <------+                     v
                                                  refunded

Before shipping, a refund cancels the order and releases its stock. After shipping, the customer
has the items, and a refund only returns the money.

Reports from payment and inventory may arrive in any order, late, twice, or before the order.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from workers.events import (
    CustomerEvent,
    InventoryFailed,
    InventoryReleased,
    InventoryReserved,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from workers.runtime.errors import PermanentError
from workers.services.order import Entry, Order, State

Action: TypeAlias = Literal["confirm", "cancel", "ship", "refund"]
Report: TypeAlias = (
    PaymentCompleted
    | PaymentFailed
    | PaymentRefunded
    | InventoryReserved
    | InventoryFailed
    | InventoryReleased
)

TRANSITIONS: Final[dict[tuple[State, Action], State]] = {
    ("pending", "confirm"): "confirmed",
    ("pending", "cancel"): "cancelled",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "ship"): "shipped",
    ("confirmed", "refund"): "cancelled",
    ("shipped", "refund"): "refunded",
}

# The field of the order that a report updates, and its new value.
REPORTS: Final[dict[type[Report], tuple[str, str]]] = {
    PaymentCompleted: ("payment", "completed"),
    PaymentFailed: ("payment", "failed"),
    PaymentRefunded: ("payment", "refunded"),
    InventoryReserved: ("inventory", "reserved"),
    InventoryFailed: ("inventory", "failed"),
    InventoryReleased: ("inventory", "released"),
}
# Final statuses: a report that arrives after one of these was sent before it, and does not change
# the status.
FINAL_STATUSES: Final = frozenset({"refunded", "released"})
NEGATIVE: Final = frozenset({"failed"}) | FINAL_STATUSES

# An order usually has about ten entries; the limit guards against a loop.
MAX_HISTORY: Final = 50
MAX_SHORTAGES: Final = 5  # named in a reason; the event has all of them

# The reasons of a cancellation that nobody asked for. Mails quote these, and no other.
PAYMENT_FAILED: Final = "the payment failed"
OUT_OF_STOCK: Final = "some items are out of stock"


class WrongAmount(PermanentError):
    """A report names money that is not the order's: an incident, for a person to look at."""

    name = "wrong_amount"


class NotAllowed(Exception):
    """The state of the order does not allow the action."""

    def __init__(self, state: State, action: str) -> None:
        super().__init__(f"cannot {action} an order that is {state}")
        self.state = state
        self.action = action


def place(created: OrderCreated, correlation_id: str, now: datetime) -> Order:
    """Create the order that ``created`` announces."""
    order = Order(
        order_id=created.order_id,
        customer_email=created.customer_email,
        customer_id=created.customer_id,
        created_at=now,
        items=created.items,
        total_amount=created.total_amount,
        currency=created.currency,
        correlation_id=correlation_id,
    )
    return _record(order, created, now, correlation_id)


def cancel(
    order: Order, reason: str, now: datetime, event_id: str | None = None
) -> tuple[Order, OrderCancelled]:
    """Cancel the order. Payment and inventory show as cancelled until they report.

    ``event_id``, here and below, is the id under which order-api publishes the event. The id of an
    outcome needs no record: it follows from its cause.
    """
    return _cancel(order, "cancel", reason, now, event_id)


def refund(
    order: Order, reason: str, now: datetime, event_id: str | None = None
) -> tuple[Order, OrderCancelled | OrderRefunded]:
    """Refund the customer. An order that has not shipped is cancelled."""
    if TRANSITIONS.get((order.state, "refund")) == "cancelled":
        return _cancel(order, "refund", reason, now, event_id)
    event = OrderRefunded(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        reason=reason,
    )
    return _move(order, "refund", event, now, event_id), event


def ship(
    order: Order, tracking_number: str | None, now: datetime, event_id: str | None = None
) -> tuple[Order, OrderShipped]:
    """Mark the order as shipped."""
    event = OrderShipped(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        tracking_number=tracking_number,
    )
    return _move(order, "ship", event, now, event_id), event


def follow(
    order: Order | None, report: Report, now: datetime
) -> tuple[Order, OrderConfirmed | OrderCancelled | None]:
    """Apply a report, and confirm or cancel a pending order if the report decides it.

    ``order`` is None if the report arrived before the order. Raises ``WrongAmount``.
    """
    order = _apply(order or _unknown(report, now), report, now)
    match order:
        case Order(
            state="pending",
            payment="completed",
            inventory="reserved",
            total_amount=Decimal() as amount,
            currency=str(currency),
        ):
            return _confirm(order, amount, currency, now)
        case Order(state="pending", payment=payment) if payment in NEGATIVE:
            return cancel(order, PAYMENT_FAILED, now)
        case Order(state="pending", inventory=inventory) if inventory in NEGATIVE:
            return cancel(order, OUT_OF_STOCK, now)
        case _:
            return order, None


def _unknown(report: Report, now: datetime) -> Order:
    return Order(
        order_id=report.order_id,
        customer_email=report.customer_email,
        customer_id=report.customer_id,
        created_at=now,
    )


def _apply(order: Order, report: Report, now: datetime) -> Order:
    _check_money(order, report)
    field, status = REPORTS[type(report)]
    changes: dict[str, Any] = {}
    if getattr(order, field) not in FINAL_STATUSES:
        changes[field] = status
    if isinstance(report, PaymentCompleted | PaymentRefunded):
        changes["payment_id"] = report.payment_id
    if isinstance(report, PaymentCompleted) and order.total_amount is None:
        changes |= {"total_amount": report.amount, "currency": report.currency}
    return _record(order.model_copy(update=changes), report, now)


def _check_money(order: Order, report: Report) -> None:
    """Refuse a report about another amount or currency: payments and refunds are of the whole."""
    if not isinstance(report, PaymentCompleted | PaymentFailed | PaymentRefunded):
        return
    told, own = (report.amount, report.currency), (order.total_amount, order.currency)
    if None not in own and told != own:
        raise WrongAmount(
            f"{report.type} is about {report.amount} {report.currency}, "
            f"and the order about {order.total_amount} {order.currency}"
        )


def _confirm(
    order: Order, amount: Decimal, currency: str, now: datetime
) -> tuple[Order, OrderConfirmed]:
    event = OrderConfirmed(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        total_amount=amount,
        currency=currency,
    )
    return _move(order, "confirm", event, now), event


def _cancel(
    order: Order, action: Action, reason: str, now: datetime, event_id: str | None = None
) -> tuple[Order, OrderCancelled]:
    event = OrderCancelled(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        reason=reason,
    )
    statuses = {
        field: "cancelled"
        for field in ("payment", "inventory")
        if getattr(order, field) == "pending"
    }
    return _move(order, action, event, now, event_id, **statuses), event


def _move(
    order: Order,
    action: Action,
    event: CustomerEvent,
    now: datetime,
    event_id: str | None = None,
    **statuses: str,
) -> Order:
    state = TRANSITIONS.get((order.state, action))
    if state is None:
        raise NotAllowed(order.state, action)
    return _record(order.model_copy(update={"state": state, **statuses}), event, now, event_id)


def _record(
    order: Order, event: CustomerEvent, now: datetime, event_id: str | None = None
) -> Order:
    entry = Entry(at=now, event_type=event.type, event_id=event_id, reason=_reason(event))
    return order.model_copy(update={"history": (*order.history, entry)[-MAX_HISTORY:]})


def _reason(event: CustomerEvent) -> str | None:
    match event:
        case OrderCancelled() | OrderRefunded() | PaymentFailed():
            return event.reason
        case InventoryFailed(shortages=shortages):
            named = [
                f"{s.sku}: {s.quantity} ordered, {s.available} available"
                for s in shortages[:MAX_SHORTAGES]
            ]
            more = len(shortages) - len(named)
            return "; ".join([*named, f"and {more} more"] if more else named)
        case _:
            return None
