"""Amounts in the units that Stripe counts in."""

from decimal import Decimal

import pytest

from workers.gateways.stripe_amounts import minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("24.60", "EUR", 2460),
        ("0.07", "USD", 7),
        ("9999999999.99", "EUR", 999_999_999_999),
        ("500.00", "JPY", 500),
        ("500.50", "JPY", None),
        ("5", "ISK", 500),
        ("5.10", "ISK", None),
        ("5.12", "KWD", 5120),
        ("5", "UGX", None),
    ],
)
def test_an_amount_is_an_integer_of_the_units_that_stripe_counts(amount, currency, units):
    assert minor_units(Decimal(amount), currency) == units
