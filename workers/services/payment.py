"""Payment: takes the money for an order once, and gives it back once."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from workers.events import (
    OrderCancelled,
    OrderCreated,
    OrderRefunded,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from workers.runtime.handler import handles
from workers.runtime.ports import Document, Transaction
from workers.services.simulation import simulated

COMPLETED: Final = "completed"
FAILED: Final = "failed"
REFUNDED: Final = "refunded"
CANCELLED: Final = "cancelled"  # the tombstone of an order that must not be charged any more


class CardDeclined(Exception):
    """The issuer said no. The text is the reason: printable, for the customer's eyes."""

    def __init__(self, reason: str = "the card was declined") -> None:
        super().__init__(reason)


@dataclass(frozen=True)
class Charge:
    """Money that a gateway took: ``amount`` in units of ``currency`` (ISO 4217)."""

    payment_id: str
    amount: Decimal
    currency: str


class PaymentGateway(Protocol):
    """What takes and returns money.

    A repeat with the same idempotency key moves no money again and gives the first answer, a
    decline included. Both methods raise ``Unavailable`` if the provider does not answer: then
    only a repeat with the same key can tell what happened.

    A key, and the refusal of a charge that was refunded before it came, has to be remembered for
    at least ``workers.runtime.memory.INBOX_RETENTION`` (90 days). A worker may have charged and
    died; what knows of that charge is its key alone, until the message comes back, and it may
    take 73 days: 23 of retries by SNS, 14 among what SNS could not deliver, 4 in the queue, 14
    in the dead-letter queue, and after a redrive 4 and 14 again. Providers forget sooner: Stripe
    after 24 hours (https://docs.stripe.com/api/idempotent_requests). Their adapter has to look
    the payment up by the key, which it stored with it, before it makes one.
    """

    def charge(self, order_id: str, amount: Decimal, currency: str, *, idempotency_key: str) -> str:
        """Charge the customer and return the payment's id. Raises ``CardDeclined``."""

    def refund(self, charge_key: str, *, idempotency_key: str) -> Charge | None:
        """Give back the charge made with the idempotency key ``charge_key``, and return it.

        None if nothing was taken with that key; then nothing ever will be: a charge that comes
        later, from a worker that was slow, is declined. Providers call it a reversal.
        """


@dataclass(frozen=True)
class Payment:
    """Charges a new order and refunds a cancelled or refunded one, in any order of arrival."""

    gateway: PaymentGateway
    allow_simulation: bool = False

    @handles
    def charge(
        self, order: OrderCreated, tx: Transaction
    ) -> PaymentCompleted | PaymentFailed | None:
        """Take the money. A decline is an outcome, not an error."""
        key = f"payment#{order.order_id}"
        # Asking the gateway before we know of a payment or a cancellation does no harm: the key
        # makes it the same charge, or one that is declined for it was refunded already.
        payment = tx.get(key, creating=True)
        if payment is None:
            payment = self._charge(order)
            tx.put(key, payment)
        return _answer(order, payment)

    @handles
    def refund(
        self, order: OrderCancelled | OrderRefunded, tx: Transaction
    ) -> PaymentRefunded | tuple[PaymentCompleted, PaymentRefunded] | None:
        """Give back what was taken; if nothing was, make sure that nothing will be.

        A charge that nobody has reported, because its worker died or comes too late to commit, is
        reported here: who keeps books must hear of the money before it goes back.
        """
        key = f"payment#{order.order_id}"
        payment = tx.get(key)
        if payment is not None and payment["state"] != COMPLETED:
            return None
        # Asked even where we know of no charge: a worker may have charged and died, or be
        # about to commit. Its commit fails on what is written here.
        charge = self.gateway.refund(
            f"charge-{order.order_id}", idempotency_key=f"refund-{order.order_id}"
        )
        if charge is None:
            tx.put(key, {"state": CANCELLED})
            return None
        tx.put(key, _document(REFUNDED, charge))
        facts = {
            "order_id": order.order_id,
            "customer_email": order.customer_email,
            "payment_id": charge.payment_id,
            "amount": charge.amount,
            "currency": charge.currency,
        }
        refunded = PaymentRefunded.model_validate(facts)
        return (PaymentCompleted.model_validate(facts), refunded) if payment is None else refunded

    def _charge(self, order: OrderCreated) -> Document:
        if simulated(order, "payment", allowed=self.allow_simulation).payment_outcome == "declined":
            return {"state": FAILED, "reason": "simulated: the card was declined"}
        try:
            payment_id = self.gateway.charge(
                order.order_id,
                order.total_amount,
                order.currency,
                idempotency_key=f"charge-{order.order_id}",
            )
        except CardDeclined as decline:
            return {"state": FAILED, "reason": str(decline)}
        return _document(COMPLETED, Charge(payment_id, order.total_amount, order.currency))


def _document(state: str, charge: Charge) -> Document:
    return {
        "state": state,
        "paymentId": charge.payment_id,
        "amount": str(charge.amount),
        "currency": charge.currency,
    }


def _answer(order: OrderCreated, payment: Document) -> PaymentCompleted | PaymentFailed | None:
    """Say what became of the payment: a repeated question gets the same answer."""
    match payment:
        case {"state": "completed", "paymentId": str(payment_id)}:
            return PaymentCompleted(
                order_id=order.order_id,
                customer_email=order.customer_email,
                payment_id=payment_id,
                amount=Decimal(str(payment["amount"])),
                currency=str(payment["currency"]),
            )
        case {"state": "failed", "reason": str(reason)}:
            return PaymentFailed(
                order_id=order.order_id,
                customer_email=order.customer_email,
                amount=order.total_amount,
                currency=order.currency,
                reason=reason,
            )
        case _:
            return None
