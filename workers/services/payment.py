"""Payment: takes the money for an order once, and gives it back once."""

from decimal import Decimal
from typing import Protocol


class CardDeclined(Exception):
    """The issuer said no. Asking again with the same idempotency key gives the same answer."""


class PaymentGateway(Protocol):
    """What takes and returns money. ``amount`` is in units of ``currency`` (ISO 4217).

    A repeat with the same idempotency key moves no money again and returns the first answer.
    Raises ``Unavailable`` if it does not answer in time: then nobody knows what happened, and
    only a repeat with the same key can tell.
    """

    def charge(self, order_id: str, amount: Decimal, currency: str, *, idempotency_key: str) -> str:
        """Charge the customer and return the payment's id. Raises ``CardDeclined``."""

    def refund(
        self, payment_id: str, amount: Decimal, currency: str, *, idempotency_key: str
    ) -> str:
        """Return the money of a payment and return the refund's id."""
