"""Notification: tells customers what happened to their order, and operations what runs out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workers.events import (
    Event,
    InventoryFailed,
    InventoryLow,
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
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction
from workers.services.simulation import simulated
from workers.services.templates import TEMPLATES


class Mailer(Protocol):
    """What sends e-mail."""

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send a plain text mail; ``reference`` names it in the provider's records.

        At least once: a repeat sends a second mail. Raises ``Unavailable`` if the provider does
        not answer, ``PermanentError`` if it refuses the mail for good.
        """


@dataclass(frozen=True)
class Notification:
    """Mails each piece of news of an order once; twice only if a worker dies after sending."""

    mailer: Mailer
    operations_email: str
    now: Callable[[], datetime]
    allow_simulation: bool = False

    @handles
    def acknowledge(self, order: OrderCreated, tx: Transaction) -> None:
        """Tell the customer that we have the order."""
        simulated(order, "notification", allowed=self.allow_simulation)
        self._mail(order.customer_email, order, tx)

    @handles
    def tell(
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
    def warn(self, low: InventoryLow, tx: Transaction) -> None:
        """Tell operations what to reorder."""
        self._mail(self.operations_email, low, tx)

    @handles
    def note(
        self, news: OrderRefunded | InventoryReserved | InventoryReleased, tx: Transaction
    ) -> None:
        """Send nothing: another mail tells the customer what follows from this."""

    def _mail(self, to: str, event: Event, tx: Transaction) -> None:
        template = TEMPLATES[type(event)]
        reference = f"{template.name}-{event.order_id}"
        key = f"sent#{reference}"
        if tx.get(key) is not None:
            return
        subject, body = template.render(event)
        self.mailer.send(to, subject, body, reference=reference)
        # No address: only the mail itself knows whom it went to.
        tx.put(key, {"template": template.name, "sentAt": self.now().isoformat()})
