"""Tells which refusals of Stripe are declines: the customer must know, and can do better.

https://docs.stripe.com/error-codes and https://docs.stripe.com/declines/codes
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from workers.gateways.stripe_api import Refusal
from workers.services.payment import CardDeclined

_LONGEST_REASON: Final = 500  # characters that an event can carry
_CODES: Final = {
    "amount_too_large": "the amount is too large",
    "amount_too_small": "the amount is too small",
}
_PARAMS: Final = frozenset({"customer", "payment_method"})


@contextmanager
def unpayable_is_declined() -> Iterator[None]:
    """Turn a ``Refusal`` that is a decline into ``CardDeclined``."""
    try:
        yield
    except Refusal as refusal:
        if refusal.kind == "card_error":
            raise declined(refusal.message) from refusal
        if reason := _CODES.get(refusal.code):
            raise CardDeclined(reason) from refusal
        if refusal.param in _PARAMS:
            raise CardDeclined("the payment method is not valid") from refusal
        raise


def declined(message: object) -> CardDeclined:
    """Wrap Stripe's text, which is meant for the customer, as far as an event can carry it."""
    text = "".join(filter(str.isprintable, str(message or "")))[:_LONGEST_REASON]
    return CardDeclined(text) if text else CardDeclined()
