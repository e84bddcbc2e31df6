"""Payment: charges an order once, and refunds it once."""

from dataclasses import dataclass, field
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
CANCELLED: Final = "cancelled"  # a tombstone: this order must not be charged any more


class CardDeclined(Exception):
    """The issuer declined the charge. The text is the reason, and is shown to the customer."""

    def __init__(self, reason: str = "the card was declined") -> None:
        super().__init__(reason)


@dataclass(frozen=True)
class Charge:
    """A completed charge: ``amount`` in units of ``currency`` (ISO 4217)."""

    payment_id: str
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Payer:
    """The customer to charge, as far as the order names one."""

    customer_id: str | None = None
    payment_method: str | None = field(default=None, repr=False)  # a token, kept out of logs


NOBODY: Final = Payer()


class PaymentGateway(Protocol):
    """Charges and refunds customers.

    A call with an idempotency key that was used before moves no money; it returns the first
    result, or raises the first decline. Both methods raise ``Unavailable`` if the provider does
    not respond or refuses our credentials: then only another call with the same key can tell what
    happened. They raise ``PermanentError`` if the provider will never accept the request.

    An implementation must remember keys, and charges refused because their refund came first,
    for at least ``workers.runtime.memory.INBOX_RETENTION`` (90 days). If a worker dies right
    after charging, only the key identifies that charge until the message is delivered again.
    That can take 73 days: 23 of SNS retries, 14 in the queue of undelivered events, 4
    in the queue, 14 in its dead-letter queue, and 4 and 14 again after a redrive. Providers
    forget keys sooner: Stripe after 24 hours
    (https://docs.stripe.com/api/idempotent_requests). Their adapter must keep its own record of
    the payment by key, written before money moves; ``StripeGateway`` is an example.
    """

    def charge(
        self,
        order_id: str,
        amount: Decimal,
        currency: str,
        *,
        idempotency_key: str,
        payer: Payer = NOBODY,
    ) -> str:
        """Charge the customer and return the payment id.

        Raises ``CardDeclined``, and ``PermanentError`` if the key was used for another order,
        amount or currency.
        """

    def refund(self, charge_key: str, *, idempotency_key: str) -> Charge | None:
        """Refund the charge made with the idempotency key ``charge_key``, and return it.

        Returns None if that key made no charge. It never will: a later charge with it, from a
        slow worker, is declined. Providers call this a reversal.
        """


@dataclass(frozen=True)
class Payment:
    """Charges new orders, and refunds cancelled and refunded ones, in any order of arrival."""

    gateway: PaymentGateway
    allow_simulation: bool = False

    @handles
    def charge(
        self, order: OrderCreated, tx: Transaction
    ) -> PaymentCompleted | PaymentFailed | None:
        """Charge the customer. A decline is an outcome, not an error."""
        key = f"payment#{order.order_id}"
        # It is safe to charge before we know of an earlier payment or cancellation: the key makes
        # it the same charge, or one that the gateway declines because it is already refunded.
        payment = tx.get(key, creating=True)
        if payment is None:
            payment = self._charge(order)
            tx.put(key, payment)
        return _outcome(order, payment)

    @handles
    def refund(
        self, order: OrderCancelled | OrderRefunded, tx: Transaction
    ) -> PaymentRefunded | tuple[PaymentCompleted, PaymentRefunded] | None:
        """Refund the charge; if there is none, prevent a later one.

        If the charge was never reported, because its worker died or was too slow to commit,
        report it here: accounts must show the payment before the refund.
        """
        key = f"payment#{order.order_id}"
        payment = tx.get(key)
        if payment is not None and payment["state"] != COMPLETED:
            return None
        # Ask the gateway even if we know of no charge: a worker may have charged and died, or be
        # about to commit. The write below makes that commit fail.
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
            "customer_id": order.customer_id,
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
                payer=Payer(order.customer_id, order.payment_method),
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


def _outcome(order: OrderCreated, payment: Document) -> PaymentCompleted | PaymentFailed | None:
    """Return the outcome of a stored payment, so that a repeated event gets the same outcome."""
    match payment:
        case {"state": "completed", "paymentId": str(payment_id)}:
            return PaymentCompleted(
                order_id=order.order_id,
                customer_email=order.customer_email,
                customer_id=order.customer_id,
                payment_id=payment_id,
                amount=Decimal(str(payment["amount"])),
                currency=str(payment["currency"]),
            )
        case {"state": "failed", "reason": str(reason)}:
            return PaymentFailed(
                order_id=order.order_id,
                customer_email=order.customer_email,
                customer_id=order.customer_id,
                amount=order.total_amount,
                currency=order.currency,
                reason=reason,
            )
        case _:
            return None
