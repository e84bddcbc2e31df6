"""The stock document: how many units of one item are for sale, and how many are reserved.

Stock rows are hot: fifty workers may want the same item at once. A reservation reads the row
without claiming it, and takes its quantity on a condition that still holds if others took some
in between. If it does not hold, the commit fails and the runtime repeats the handling.
"""

from dataclasses import dataclass
from typing import Final, Self

from workers.runtime.ports import Between, Document, Transaction

PREFIX: Final = "stock#"  # of the key; the SKU follows
AVAILABLE: Final = "available"
RESERVED: Final = "reserved"
REORDER_THRESHOLD: Final = "reorderThreshold"


@dataclass(frozen=True)
class Stock:
    """The stock of one item, in units, when it was read."""

    sku: str
    available: int = 0
    reserved: int = 0
    reorder_threshold: int = 0  # a reservation that reaches it is reported to operations

    @classmethod
    def read(cls, sku: str, document: Document | None) -> Self:
        """Read a stock document. An absent document or field counts as 0."""
        fields = document or {}
        return cls(sku, *(_units(fields.get(f)) for f in (AVAILABLE, RESERVED, REORDER_THRESHOLD)))

    def crosses(self, quantity: int) -> bool:
        """Tell whether taking ``quantity`` units brings the item down to its threshold."""
        return self.available > self.reorder_threshold >= self.available - quantity

    def condition(self, quantity: int) -> Between:
        """Return the condition under which ``crosses`` is as true at the commit as it is now.

        Only the reservation that crosses the threshold depends on the exact count.
        """
        if self.crosses(quantity):
            return Between(AVAILABLE, self.available, self.available)
        if self.available > self.reorder_threshold:
            return Between(AVAILABLE, self.reorder_threshold + quantity + 1)
        return Between(AVAILABLE, quantity, self.reorder_threshold)


def key_of(sku: str) -> str:
    """Return the key of an item's stock document."""
    return PREFIX + sku


def look(sku: str, tx: Transaction) -> Stock:
    """Read the stock of an item; an unknown item has none."""
    return Stock.read(sku, tx.get(key_of(sku)))


def take(stock: Stock, quantity: int, tx: Transaction) -> None:
    """Reserve ``quantity`` units. The commit fails if ``stock`` is out of date."""
    amounts = {AVAILABLE: -quantity, RESERVED: quantity}
    tx.add(key_of(stock.sku), amounts, where=stock.condition(quantity))


def give_back(sku: str, quantity: int, tx: Transaction) -> None:
    """Release ``quantity`` reserved units."""
    tx.add(key_of(sku), {AVAILABLE: quantity, RESERVED: -quantity})


def send_off(sku: str, quantity: int, tx: Transaction) -> None:
    """Take ``quantity`` reserved units out of the stock."""
    tx.add(key_of(sku), {RESERVED: -quantity})


def _units(value: object) -> int:
    return value if isinstance(value, int) else 0
