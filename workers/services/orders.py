"""Orders: places, confirms, cancels, ships and refunds orders.

``Orders`` handles the reports from payment and inventory. ``OrderCommands`` executes the requests
that order-api receives. Both write the same documents, by the rules in ``lifecycle``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from workers.events import (
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
    PricedLine,
    Simulation,
)
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction
from workers.services import lifecycle
from workers.services.lifecycle import NotAllowed
from workers.services.order import Order, key_of
from workers.services.prices import PriceList, check, nothing_listed


class UnknownOrder(LookupError):
    """No order has this id."""


@dataclass(frozen=True)
class Orders:
    """Confirms an order once payment and inventory both succeed; cancels it if either fails."""

    now: Callable[[], datetime]

    @handles
    def follow(
        self,
        report: PaymentCompleted
        | PaymentFailed
        | PaymentRefunded
        | InventoryReserved
        | InventoryFailed
        | InventoryReleased,
        tx: Transaction,
    ) -> OrderConfirmed | OrderCancelled | None:
        """Apply a report. Returns an event if the report decides a pending order."""
        key = key_of(report.order_id)
        document = tx.get(key)
        order, event = lifecycle.follow(
            Order.of(document) if document else None, report, self.now()
        )
        tx.put(key, order.document())
        return event


@dataclass(frozen=True)
class OrderCommands:
    """The commands that clients can send for an order. The caller commits the transaction.

    With a price list, ``place`` raises ``WrongPrice`` for an order at another price.

    Each command returns the event to publish. It raises ``UnknownOrder``, ``NotAllowed`` if the
    state of the order does not allow it, or pydantic's ``ValidationError`` if an argument is
    invalid. ``event_id`` is the id under which the caller publishes the event. ``by`` names the
    client whose request it is; it is stored with the order, and empty where nobody knows.
    """

    now: Callable[[], datetime]
    prices: PriceList = nothing_listed

    def place(
        self,
        order_id: str,
        customer_email: str,
        items: Sequence[PricedLine],
        currency: str,
        tx: Transaction,
        *,
        correlation_id: str,
        customer_id: str | None = None,
        payment_method: str | None = None,
        simulation: Simulation | None = None,
        owner: str | None = None,
        by: str = "",
    ) -> OrderCreated:
        """Create an order and compute its total.

        ``correlation_id`` is the id of its first event. The order belongs to ``owner``.
        """
        created = OrderCreated(
            order_id=order_id,
            customer_email=customer_email,
            customer_id=customer_id,
            items=tuple(items),
            total_amount=sum((line.price * line.quantity for line in items), Decimal(0)),
            currency=currency,
            payment_method=payment_method,
            simulation=simulation,
        )
        check(created.items, currency, self.prices())
        key = key_of(order_id)
        if document := tx.get(key, creating=True):
            raise NotAllowed(Order.of(document).state, "place")
        order = lifecycle.place(created, correlation_id, self.now())
        tx.put(key, _signed(order.model_copy(update={"owner": owner}), by).document())
        return created

    def find(self, order_id: str, tx: Transaction) -> Order:
        """Read an order."""
        if document := tx.get(key_of(order_id)):
            return Order.of(document)
        raise UnknownOrder(order_id)

    def cancel(
        self,
        order_id: str,
        reason: str,
        tx: Transaction,
        *,
        event_id: str | None = None,
        by: str = "",
    ) -> OrderCancelled:
        """Cancel a pending or confirmed order."""
        order, event = lifecycle.cancel(self.find(order_id, tx), reason, self.now(), event_id)
        tx.put(key_of(order_id), _signed(order, by).document())
        return event

    def refund(
        self,
        order_id: str,
        reason: str,
        tx: Transaction,
        *,
        event_id: str | None = None,
        by: str = "",
    ) -> OrderCancelled | OrderRefunded:
        """Refund an order. One that has not shipped is cancelled."""
        order, event = lifecycle.refund(self.find(order_id, tx), reason, self.now(), event_id)
        tx.put(key_of(order_id), _signed(order, by).document())
        return event

    def ship(
        self,
        order_id: str,
        tracking_number: str | None,
        tx: Transaction,
        *,
        event_id: str | None = None,
        by: str = "",
    ) -> OrderShipped:
        """Mark a confirmed order as shipped."""
        found, now = self.find(order_id, tx), self.now()
        order, event = lifecycle.ship(found, tracking_number, now, event_id)
        tx.put(key_of(order_id), _signed(order, by).document())
        return event


def _signed(order: Order, by: str) -> Order:
    """Return the order with the newest entry of its history signed."""
    if not by:
        return order
    *before, last = order.history
    return order.model_copy(update={"history": (*before, last.model_copy(update={"by": by}))})
