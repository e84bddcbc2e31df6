"""Notification: emails customers about their order, and operations about low stock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workers.events import (
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderEvent,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction
from workers.services.simulation import simulated
from workers.services.templates import TEMPLATES


class Mailer(Protocol):
    """Sends email."""

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send a plain-text email; ``reference`` identifies it in the provider's records.

        Calling it again sends a second email. Raises ``Unavailable`` if the provider does not
        respond, ``PermanentError`` if it rejects the email.
        """


@dataclass(frozen=True)
class Notification:
    """Sends one email per order and template; a second one only if a worker dies after sending."""

    mailer: Mailer
    operations_email: str
    now: Callable[[], datetime]
    allow_simulation: bool = False

    @handles
    def acknowledge(self, order: OrderCreated, tx: Transaction) -> None:
        """Confirm to the customer that we received the order."""
        simulated(order, "notification", allowed=self.allow_simulation)
        self._mail(order.customer_email, order, tx)

    @handles
    def notify_customer(
        self,
        news: OrderConfirmed
        | OrderShipped
        | OrderCancelled
        | PaymentCompleted
        | PaymentFailed
        | PaymentRefunded
        | InventoryFailed,
        tx: Transaction,
    ) -> None:
        """Tell the customer what happened."""
        self._mail(news.customer_email, news, tx)

    @handles
    def notify_operations(self, low: InventoryLow, tx: Transaction) -> None:
        """Tell operations what to reorder."""
        self._mail(self.operations_email, low, tx)

    @handles
    def ignore(
        self, news: OrderRefunded | InventoryReserved | InventoryReleased, tx: Transaction
    ) -> None:
        """Send nothing: the customer gets an email about the event that follows."""

    def _mail(self, to: str, event: OrderEvent, tx: Transaction) -> None:
        template = TEMPLATES[type(event)]
        reference = f"{template.name}-{event.order_id}"
        key = key_of(template.name, event.order_id)
        if tx.get(key) is not None:
            return
        subject, body = template.render(event)
        self.mailer.send(to, subject, body, reference=reference)
        # The address is not stored: only the email itself contains it.
        tx.put(key, {"template": template.name, "sentAt": self.now().isoformat()})


def key_of(template: str, order_id: str) -> str:
    """Return the key of the record that a mail was sent."""
    return f"sent#{template}-{order_id}"
