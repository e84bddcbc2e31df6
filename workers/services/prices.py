"""The optional price list: an order must name the current price of every item that has one.

An item without a price is sold at the price that the order names: the shop in front of order-api
then answers for it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from workers.events import PricedLine

# The row of the list in the table of the orders, which order-api reads, and the field of an item:
# one row, so that order-api learns every price, or that there is none, with one read.
KEY: Final = "prices"
PREFIX: Final = "sku#"
# At most MAX_AMOUNT of the events, in cents, and a code of ISO 4217.
_FORM: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})? [A-Z]{3}", re.ASCII)


@dataclass(frozen=True)
class Price:
    """What one unit costs: ``amount`` in units of ``currency`` (ISO 4217)."""

    amount: Decimal
    currency: str

    @classmethod
    def read(cls, text: str) -> "Price":
        """Read ``12.50 EUR``, as the row has it. Raises ``ValueError`` for any other text."""
        if _FORM.fullmatch(text) is None:
            raise ValueError("a price must look like 12.50 EUR")
        amount, currency = text.split(" ")
        return cls(Decimal(amount), currency)

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


Prices: TypeAlias = Mapping[str, Price]  # by SKU; items without a price are absent


class PriceList(Protocol):
    """The current prices, at most some seconds old."""

    def __call__(self) -> Prices:
        """Return the prices. Raises ``Unavailable``."""


class WrongPrice(Exception):
    """An order names another price than the list. ``current`` has the list's prices, by SKU."""

    def __init__(self, current: Prices) -> None:
        listed = ", ".join(f"{sku} costs {price}" for sku, price in current.items())
        super().__init__(f"the price has changed: {listed}")
        self.current = current


def nothing_listed() -> Prices:
    """Return the price list of a shop that has none."""
    return {}


def check(lines: Iterable[PricedLine], currency: str, prices: Prices) -> None:
    """Raise ``WrongPrice`` with every item whose price in the list is another."""
    wrong = {
        line.sku: listed
        for line in lines
        if (listed := prices.get(line.sku)) and listed != Price(line.price, currency)
    }
    if wrong:
        raise WrongPrice(wrong)


def prices_in(row: Mapping[str, object]) -> Prices:
    """Read the prices in the row of the list."""
    return {
        name.removeprefix(PREFIX): Price.read(text)
        for name, text in row.items()
        if name.startswith(PREFIX) and isinstance(text, str)
    }
