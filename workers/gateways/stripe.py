"""Charges and refunds cards through Stripe's PaymentIntents.

Stripe may forget an idempotency key after 24 hours, but a message may come back after 73 days. A
PaymentIntent, however, can be paid only once, at any time. Therefore a charge takes three steps:

1. Create an unconfirmed PaymentIntent. It moves no money.
2. Record its id under our key (``PaymentLedger``).
3. Confirm it. This moves the money.

A repeat finds the id in the ledger and confirms the same PaymentIntent. A refund that comes first
takes the place of the id in the ledger, or cancels the PaymentIntent. Both win or lose atomically:
in DynamoDB, or at Stripe.

https://docs.stripe.com/api/payment_intents and https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from workers.aws.payment_ledger import CANCELLED, Entry, PaymentLedger
from workers.gateways.stripe_amounts import minor_units
from workers.gateways.stripe_api import DEPENDENCY, Refusal, ServerError, StripeApi
from workers.gateways.stripe_declines import declined, unpayable_is_declined
from workers.runtime.errors import PermanentError, Unavailable
from workers.services.payment import NOBODY, CardDeclined, Charge, Payer

# The customer is not there to authenticate: a card that demands it is declined.
# https://docs.stripe.com/api/payment_intents/confirm
_OFF_SESSION: Final = {"off_session": "true", "error_on_requires_action": "true"}

_CANCELLED: Final = "the payment was cancelled"
_CUSTOMER: Final = "cus_"

# https://docs.stripe.com/error-codes
_UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"
_ALREADY_REFUNDED: Final = "charge_already_refunded"


@dataclass(frozen=True)
class StripeGateway:
    """Implements ``PaymentGateway``. The order names the card to charge: ``paymentMethod``."""

    api: StripeApi
    ledger: PaymentLedger

    def charge(
        self,
        order_id: str,
        amount: Decimal,
        currency: str,
        *,
        idempotency_key: str,
        payer: Payer = NOBODY,
    ) -> str:
        """Charge once per key; see ``PaymentGateway``."""
        entry = self.ledger.open(idempotency_key, order_id, amount, currency)
        if entry.payment != CANCELLED and not entry.is_for(order_id, amount, currency):
            raise PermanentError(f"{DEPENDENCY}: {idempotency_key} was used for another charge")
        payment = entry.payment or self._create(idempotency_key, entry, payer)
        if payment == CANCELLED:
            raise CardDeclined(_CANCELLED)
        with self._counting_server_errors(idempotency_key):
            self._confirm(payment, _numbered(f"{idempotency_key}/confirm", entry))
        return payment

    def refund(self, charge_key: str, *, idempotency_key: str) -> Charge | None:
        """Refund a charge once per key; see ``PaymentGateway``."""
        entry = self.ledger.claim(charge_key, CANCELLED)
        if entry.payment == CANCELLED or not self._paid_or_cancelled(entry.payment):
            return None
        with self._counting_server_errors(charge_key):
            self._refund(entry.payment, _numbered(idempotency_key, entry))
        return Charge(entry.payment, entry.amount, entry.currency)

    def _create(self, key: str, entry: Entry, payer: Payer) -> str:
        """Create a PaymentIntent and record it; return the id on record."""
        if payer.payment_method is None:
            raise CardDeclined("the order names no payment method")
        amount = minor_units(entry.amount, entry.currency)
        if amount is None:
            raise CardDeclined(f"{entry.amount} {entry.currency} cannot be charged")
        fields = {
            "amount": str(amount),
            "currency": entry.currency.lower(),
            "payment_method": payer.payment_method,
            "payment_method_types[]": "card",
            "metadata[order_id]": entry.order_id,
            "metadata[idempotency_key]": key,
        } | _customer(payer.customer_id)
        with self._counting_server_errors(key), unpayable_is_declined():
            intent = self.api.post(
                "payment_intents", fields, idempotency_key=_numbered(f"{key}/create", entry)
            )
        return self.ledger.claim(key, intent["id"]).payment

    def _confirm(self, payment: str, key: str) -> None:
        """Take the money, unless it was taken before. Raises ``CardDeclined``."""
        try:
            with unpayable_is_declined():
                intent = self.api.post(
                    f"payment_intents/{payment}/confirm", _OFF_SESSION, idempotency_key=key
                )
        except Refusal as refusal:
            if refusal.code != _UNEXPECTED_STATE:
                raise
        else:
            if intent.get("status") == "succeeded":
                return
        # The answer may be older than the PaymentIntent: it is repeated for the same key.
        self._check(self.api.get(f"payment_intents/{payment}"))

    def _check(self, intent: Mapping[str, Any]) -> None:
        """Return if the PaymentIntent is paid. Raises ``CardDeclined`` if it never will be."""
        match intent.get("status"):
            case "succeeded":
                return
            case "canceled":
                raise CardDeclined(_CANCELLED)
            case "requires_payment_method":  # Stripe detaches a card that was declined
                raise declined((intent.get("last_payment_error") or {}).get("message"))
            case status:
                raise Unavailable(
                    f"{DEPENDENCY}: the PaymentIntent is {status}", dependency=DEPENDENCY
                )

    def _paid_or_cancelled(self, payment: str) -> bool:
        """Return whether the PaymentIntent is paid; if not, cancel it, so that it never will be.

        Stripe cancels no PaymentIntent that is being paid: the next call finds out.
        """
        status = self.api.get(f"payment_intents/{payment}").get("status")
        if status not in {"succeeded", "canceled"}:
            try:
                status = self.api.post(f"payment_intents/{payment}/cancel", {}).get("status")
            except Refusal as refusal:
                if refusal.code != _UNEXPECTED_STATE:
                    raise
        if status not in {"succeeded", "canceled"}:
            raise Unavailable(
                f"{DEPENDENCY}: the PaymentIntent cannot be cancelled yet", dependency=DEPENDENCY
            )
        return bool(status == "succeeded")

    def _refund(self, payment: str, key: str) -> None:
        try:
            refund = self.api.post("refunds", {"payment_intent": payment}, idempotency_key=key)
        except Refusal as refusal:
            # Someone refunded it in the Dashboard, or Stripe has forgotten our key.
            if refusal.code != _ALREADY_REFUNDED:
                raise
        else:
            if (status := refund.get("status")) in {"failed", "canceled"}:
                raise PermanentError(f"{DEPENDENCY}: refund {refund['id']} has {status}")

    @contextmanager
    def _counting_server_errors(self, key: str) -> Iterator[None]:
        """Have the next call use another idempotency key after a server error.

        Stripe repeats its answer for as long as it remembers the key, server errors included. The
        PaymentIntent is the same, so no money moves twice.
        """
        try:
            yield
        except ServerError:
            self.ledger.count_server_error(key)
            raise


def _numbered(key: str, entry: Entry) -> str:
    return f"{key}/{entry.server_errors}"


def _customer(customer_id: str | None) -> dict[str, str]:
    """Name the customer: Stripe's own ids as such, any other id for the records."""
    if customer_id is None:
        return {}
    field = "customer" if customer_id.startswith(_CUSTOMER) else "metadata[customer_id]"
    return {field: customer_id}
