"""Stock of one article, and how to take some of it without making others wait.

Stock rows are hot: fifty workers may want the same article at once. A reservation reads the row
without claiming it, and takes its quantity on a condition that still holds if others took some
in between. Where it no longer holds the commit fails, and the runtime repeats the handling.
"""

from dataclasses import dataclass

from workers.runtime.ports import Between, Transaction


@dataclass(frozen=True)
class Stock:
    """How many pieces of an article are for sale, as far as has been seen."""

    sku: str
    available: int
    threshold: int  # operations hear of it when a reservation takes ``available`` down to this

    def crosses(self, quantity: int) -> bool:
        """Tell whether taking so many brings the article down to its threshold."""
        return self.available > self.threshold >= self.available - quantity

    def condition(self, quantity: int) -> Between:
        """Say what the row must hold for ``crosses`` to be as true at the commit as it is now.

        Only the reservation that crosses depends on the exact count.
        """
        if self.crosses(quantity):
            return Between("available", self.available, self.available)
        if self.available > self.threshold:
            return Between("available", self.threshold + quantity + 1)
        return Between("available", quantity, self.threshold)


def look(sku: str, tx: Transaction) -> Stock:
    """Read the stock of an article; there is none of an unknown one."""
    match tx.get(_key(sku)):
        case {"available": int(available), "reorderThreshold": int(threshold)}:
            return Stock(sku, available, threshold)
        case _:
            return Stock(sku, 0, 0)


def take(stock: Stock, quantity: int, tx: Transaction) -> None:
    """Set so many aside. The commit fails if the stock is no longer what was seen."""
    amounts = {"available": -quantity, "reserved": quantity}
    tx.add(_key(stock.sku), amounts, where=stock.condition(quantity))


def give_back(sku: str, quantity: int, tx: Transaction) -> None:
    """Put so many back on sale."""
    tx.add(_key(sku), {"available": quantity, "reserved": -quantity})


def _key(sku: str) -> str:
    return f"stock#{sku}"
