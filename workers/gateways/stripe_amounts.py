"""Converts amounts of money to the integers of Stripe's API.

https://docs.stripe.com/currencies#minor-units
"""

from decimal import Decimal
from typing import Final

# Currencies without decimals, as integers of their only unit.
ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"}
    | {"PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
# Currencies without decimals that Stripe nevertheless counts in hundredths.
WHOLE_HUNDREDS: Final = frozenset({"ISK"})
# Versions of that page disagree on whether it is counted in hundredths: better none than 100 times.
UNCLEAR: Final = frozenset({"UGX"})
# Our amounts have two decimals, so the last of the three digits is the 0 that Stripe demands.
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def minor_units(amount: Decimal, currency: str) -> int | None:
    """Return the amount in Stripe's units; None if the currency cannot express it."""
    if currency in UNCLEAR:
        return None
    if currency in ZERO_DECIMAL | WHOLE_HUNDREDS and amount != int(amount):
        return None
    if currency in ZERO_DECIMAL:
        return int(amount)
    return int(amount * (1_000 if currency in THREE_DECIMAL else 100))
