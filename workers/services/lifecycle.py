"""The life of an order: its states and what leads from one to the next. Pure functions.

    pending ----confirm---> confirmed ----ship---> shipped
       |                        |                     |
     cancel              cancel, refund            refund
       |                        |                     |
       +-----> cancelled <------+                     v
                                                  refunded

Before it ships, money back means goods back: a refund is a cancellation. Afterwards the customer
has the goods, and a refund moves money only.

Reports of payment and inventory come in any order, also late, twice, or before the order.
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

# What a report says about one side of the order.
REPORTS: Final[dict[type[Report], tuple[str, str]]] = {
    PaymentCompleted: ("payment", "completed"),
    PaymentFailed: ("payment", "failed"),
    PaymentRefunded: ("payment", "refunded"),
    InventoryReserved: ("inventory", "reserved"),
    InventoryFailed: ("inventory", "failed"),
    InventoryReleased: ("inventory", "released"),
}
# Nothing follows these: a report that arrives after them is older than they are.
LAST_WORDS: Final = frozenset({"refunded", "released"})
NEGATIVE: Final = frozenset({"failed"}) | LAST_WORDS

# The whole life of an order leaves about ten entries; the bound is for one that loops.
MAX_HISTORY: Final = 50


class NotAllowed(Exception):
    """The order's state forbids the action."""

    def __init__(self, state: State, action: str) -> None:
        super().__init__(f"cannot {action} an order that is {state}")
        self.state = state
        self.action = action


def place(created: OrderCreated, correlation_id: str, now: datetime) -> Order:
    """Open the order that ``created`` tells of."""
    order = Order(
        order_id=created.order_id,
        customer_email=created.customer_email,
        created_at=now,
        items=created.items,
        total_amount=created.total_amount,
        currency=created.currency,
        correlation_id=correlation_id,
    )
    return _record(order, created, now)


def cancel(order: Order, reason: str, now: datetime) -> tuple[Order, OrderCancelled]:
    """Give the order up. A side that has not reported yet shows as cancelled until it does."""
    return _give_up(order, "cancel", reason, now)


def refund(
    order: Order, reason: str, now: datetime
) -> tuple[Order, OrderCancelled | OrderRefunded]:
    """Ask for the customer's money to go back. What has not shipped is given up by it."""
    if TRANSITIONS.get((order.state, "refund")) == "cancelled":
        return _give_up(order, "refund", reason, now)
    event = OrderRefunded(
        order_id=order.order_id, customer_email=order.customer_email, reason=reason
    )
    return _move(order, "refund", event, now), event


def ship(order: Order, tracking_number: str | None, now: datetime) -> tuple[Order, OrderShipped]:
    """Hand the parcel to the carrier."""
    event = OrderShipped(
        order_id=order.order_id,
        customer_email=order.customer_email,
        tracking_number=tracking_number,
    )
    return _move(order, "ship", event, now), event


def follow(
    order: Order | None, report: Report, now: datetime
) -> tuple[Order, OrderConfirmed | OrderCancelled | None]:
    """Note a report, and confirm or cancel a pending order that it decides."""
    order = _note(order or _unknown(report, now), report, now)
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
            return cancel(order, "the payment did not succeed", now)
        case Order(state="pending", inventory=inventory) if inventory in NEGATIVE:
            return cancel(order, "not everything is in stock", now)
        case _:
            return order, None


def _unknown(report: Report, now: datetime) -> Order:
    return Order(order_id=report.order_id, customer_email=report.customer_email, created_at=now)


def _note(order: Order, report: Report, now: datetime) -> Order:
    side, status = REPORTS[type(report)]
    changes: dict[str, Any] = {}
    if getattr(order, side) not in LAST_WORDS:
        changes[side] = status
    if isinstance(report, PaymentCompleted) and order.total_amount is None:
        changes |= {"total_amount": report.amount, "currency": report.currency}
    return _record(order.model_copy(update=changes), report, now)


def _confirm(
    order: Order, amount: Decimal, currency: str, now: datetime
) -> tuple[Order, OrderConfirmed]:
    event = OrderConfirmed(
        order_id=order.order_id,
        customer_email=order.customer_email,
        total_amount=amount,
        currency=currency,
    )
    return _move(order, "confirm", event, now), event


def _give_up(
    order: Order, action: Action, reason: str, now: datetime
) -> tuple[Order, OrderCancelled]:
    event = OrderCancelled(
        order_id=order.order_id, customer_email=order.customer_email, reason=reason
    )
    sides = {
        side: "cancelled" for side in ("payment", "inventory") if getattr(order, side) == "pending"
    }
    return _move(order, action, event, now, **sides), event


def _move(order: Order, action: Action, event: CustomerEvent, now: datetime, **sides: str) -> Order:
    state = TRANSITIONS.get((order.state, action))
    if state is None:
        raise NotAllowed(order.state, action)
    return _record(order.model_copy(update={"state": state, **sides}), event, now)


def _record(order: Order, event: CustomerEvent, now: datetime) -> Order:
    entry = Entry(at=now, event_type=event.type)
    return order.model_copy(update={"history": (*order.history, entry)[-MAX_HISTORY:]})
