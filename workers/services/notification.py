"""Notification: emails customers about their order, and operations about low stock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from workers.addresses import ERASED
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
from workers.runtime.ports import Document, Transaction
from workers.services.simulation import simulated
from workers.services.templates import TEMPLATES

# An order leads to four mails in its life, usually to one in its first hour. A customer who gets
# more than this in an hour is one that somebody places orders for.
MAILS_PER_HOUR: Final = 20
OVER_LIMIT: Final = "hourly limit"  # why a mail was not sent
WAS_ERASED: Final = "address erased"


class Mailer(Protocol):
    """Sends email."""

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send a plain-text email; ``reference`` identifies it in the provider's records.

        Calling it again sends a second email. Raises ``Unavailable`` if the provider does not
        respond, ``PermanentError`` if it rejects the email.
        """


class Allowance(Protocol):
    """The mails that a recipient may still get in this hour, over all workers."""

    def take(self, to: str, reference: str) -> bool:
        """Take one of ``MAILS_PER_HOUR``; tell whether there was one left.

        Another call with the same ``reference`` in the same hour takes nothing more, and gets the
        same answer unless the first one was refused. Raises ``Unavailable``.
        """


@dataclass(frozen=True)
class Notification:
    """Sends one email per order and template; a second one only if a worker dies after sending.

    A mail over the hourly limit of its recipient, or to a customer whose address was erased, is
    recorded with the reason and never sent.
    """

    mailer: Mailer
    allowance: Allowance
    operations_email: str
    now: Callable[[], datetime]
    allow_simulation: bool = False

    @handles
    def receive(self, order: OrderCreated, tx: Transaction) -> None:  # noqa: ARG002 - its type counts
        """Send nothing: anyone can place an order in anyone's name, and this one may fail."""
        simulated(order, "notification", allowed=self.allow_simulation)

    @handles
    def notify_customer(
        self, news: OrderConfirmed | OrderShipped | OrderCancelled | OrderRefunded, tx: Transaction
    ) -> None:
        """Tell the customer what became of the order."""
        self._mail_customer(news.customer_email, news, tx)

    @handles
    def notify_of_refund(self, news: PaymentRefunded, tx: Transaction) -> None:
        """Tell the customer of a refund if ``OrderRefunded`` has not.

        Earlier versions ignore that event and mail this one. In a deploy an order may have one of
        them handled by each version. Only a shipped order is refunded; others are cancelled.
        """
        if tx.get(key_of(TEMPLATES[OrderShipped].name, news.order_id)) is not None:
            self._mail_customer(news.customer_email, news, tx)

    @handles
    def notify_operations(self, low: InventoryLow, tx: Transaction) -> None:
        """Tell operations what to reorder. Their own address has no limit."""
        if _record(low, tx) is None:
            self._send(self.operations_email, low, tx)

    @handles
    def ignore(
        self,
        news: PaymentCompleted
        | PaymentFailed
        | InventoryReserved
        | InventoryFailed
        | InventoryReleased,
        tx: Transaction,
    ) -> None:
        """Send nothing: the customer gets an email about what follows for the order."""

    def _mail_customer(self, to: str, event: OrderEvent, tx: Transaction) -> None:
        if _record(event, tx) is not None:
            return
        if to == ERASED:
            self._withhold(WAS_ERASED, event, tx)
        elif self.allowance.take(to, _reference(event)):
            self._send(to, event, tx)
        else:
            self._withhold(OVER_LIMIT, event, tx)

    def _send(self, to: str, event: OrderEvent, tx: Transaction) -> None:
        subject, body = TEMPLATES[type(event)].render(event)
        self.mailer.send(to, subject, body, reference=_reference(event))
        # The address is not stored: only the email itself contains it.
        self._put(event, {"sentAt": self.now().isoformat()}, tx)

    def _withhold(self, reason: str, event: OrderEvent, tx: Transaction) -> None:
        self._put(event, {"withheldAt": self.now().isoformat(), "reason": reason}, tx)

    def _put(self, event: OrderEvent, fields: Document, tx: Transaction) -> None:
        name = TEMPLATES[type(event)].name
        tx.put(key_of(name, event.order_id), {"template": name} | fields)


def key_of(template: str, order_id: str) -> str:
    """Return the key of the record that a mail was sent, or why it was not."""
    return f"sent#{template}-{order_id}"


def _record(event: OrderEvent, tx: Transaction) -> Document | None:
    return tx.get(key_of(TEMPLATES[type(event)].name, event.order_id))


def _reference(event: OrderEvent) -> str:
    return f"{TEMPLATES[type(event)].name}-{event.order_id}"
