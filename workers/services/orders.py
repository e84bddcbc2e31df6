"""Orders: places an order, follows it to its end, and does what the customer asks meanwhile.

``Orders`` is the consumer of what payment and inventory report; ``OrderCommands`` is what order-api
stands in front of. Both work on the same documents, by the rules of ``lifecycle``.
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


class UnknownOrder(LookupError):
    """There is no order with this id."""


@dataclass(frozen=True)
class Orders:
    """Confirms an order when payment and inventory both succeeded, cancels it when one did not."""

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
        """Note what was reported; the report that decides a pending order leads to an event."""
        key = key_of(report.order_id)
        document = tx.get(key)
        order, event = lifecycle.follow(
            Order.of(document) if document else None, report, self.now()
        )
        tx.put(key, order.document())
        return event


@dataclass(frozen=True)
class OrderCommands:
    """What can be done with an order from outside. The caller commits the transaction.

    Each method returns the event to publish. Raises ``UnknownOrder``, or ``NotAllowed`` if the
    order's state forbids it, or pydantic's ``ValidationError`` if an event cannot hold an
    argument.
    """

    now: Callable[[], datetime]

    def place(
        self,
        order_id: str,
        customer_email: str,
        items: Sequence[PricedLine],
        currency: str,
        tx: Transaction,
        *,
        correlation_id: str,
        simulation: Simulation | None = None,
    ) -> OrderCreated:
        """Open an order and compute its total. ``correlation_id`` is the id of its first event."""
        created = OrderCreated(
            order_id=order_id,
            customer_email=customer_email,
            items=tuple(items),
            total_amount=sum((line.price * line.quantity for line in items), Decimal(0)),
            currency=currency,
            simulation=simulation,
        )
        key = key_of(order_id)
        if document := tx.get(key):
            raise NotAllowed(Order.of(document).state, "place")
        tx.put(key, lifecycle.place(created, correlation_id, self.now()).document())
        return created

    def find(self, order_id: str, tx: Transaction) -> Order:
        """Look an order up."""
        if document := tx.get(key_of(order_id)):
            return Order.of(document)
        raise UnknownOrder(order_id)

    def cancel(self, order_id: str, reason: str, tx: Transaction) -> OrderCancelled:
        """Give a pending or confirmed order up."""
        order, event = lifecycle.cancel(self.find(order_id, tx), reason, self.now())
        tx.put(key_of(order_id), order.document())
        return event

    def refund(self, order_id: str, reason: str, tx: Transaction) -> OrderCancelled | OrderRefunded:
        """Ask for the money of an order to go back: one that has not shipped is cancelled."""
        order, event = lifecycle.refund(self.find(order_id, tx), reason, self.now())
        tx.put(key_of(order_id), order.document())
        return event

    def ship(self, order_id: str, tracking_number: str | None, tx: Transaction) -> OrderShipped:
        """Hand the parcel of a confirmed order to the carrier."""
        order, event = lifecycle.ship(self.find(order_id, tx), tracking_number, self.now())
        tx.put(key_of(order_id), order.document())
        return event
