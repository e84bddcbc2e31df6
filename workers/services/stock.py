"""The stock rows: how many units of one item are for sale, and how many are reserved.

Stock rows are hot: fifty workers may want the same item at once. A reservation reads the row
without claiming it, and takes its quantity on a condition that still holds if others took some
in between. If it does not hold, the commit fails and the runtime repeats the handling.

An item that one row is too slow for is spread over buckets (``buckets.py``). Bucket 0 is the row
that every item has; it also says how many buckets there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from workers.runtime.ports import Document, Transaction

PREFIX: Final = "stock#"  # of the key; the SKU follows
BUCKET: Final = "bucket#"  # of the key of a bucket but the first; its number, # and the SKU follow
AVAILABLE: Final = "available"
RESERVED: Final = "reserved"
REORDER_THRESHOLD: Final = "reorderThreshold"
BUCKETS: Final = "buckets"  # of the first row: absent, or less than 2, if there are no others
KEPT: Final = "kept"  # of the first row: units for sale that only a look at all buckets may take
LAYOUT: Final = "layout"  # of every bucket: grows whenever units are moved between the buckets


@dataclass(frozen=True)
class Stock:
    """The stock of one item, in units, when it was read: the sum of its buckets."""

    sku: str
    available: int = 0
    reserved: int = 0
    reorder_threshold: int = 0  # a reservation that reaches it is reported to operations
    buckets: int = 1

    @classmethod
    def read(cls, sku: str, document: Document | None, others: Iterable[Document] = ()) -> Self:
        """Read the stock row and the ``others`` of its buckets. An absent field counts as 0."""
        rows = [document or {}, *others]
        return cls(
            sku,
            sum(units(row, AVAILABLE) + units(row, KEPT) for row in rows),
            sum(units(row, RESERVED) for row in rows),
            units(rows[0], REORDER_THRESHOLD),
            max(1, units(rows[0], BUCKETS)),
        )


@dataclass(frozen=True)
class Rows:
    """All rows of one item, as read. ``others`` has the buckets from 1 on, unused ones too."""

    sku: str
    first: Document | None
    others: Mapping[int, Document] = field(default_factory=dict)

    @property
    def stock(self) -> Stock:
        """The sum."""
        return Stock.read(self.sku, self.first, self.others.values())


def key_of(sku: str, bucket: int = 0) -> str:
    """Return the key of an item's stock row, or of one of its buckets."""
    return f"{BUCKET}{bucket}#{sku}" if bucket else PREFIX + sku


def sku_of(key: str) -> str | None:
    """Return the item of a stock row or bucket; None for the key of another row."""
    if key.startswith(PREFIX):
        return key.removeprefix(PREFIX)
    return key.split("#", 2)[2] if key.startswith(BUCKET) else None


def units(document: Document, name: str) -> int:
    """Return a number of units; 0 if there is no such field."""
    value = document.get(name)
    return value if isinstance(value, int) else 0


def look(sku: str, tx: Transaction) -> Rows:
    """Read the row of an item and its buckets; an unknown item has none."""
    first = tx.get(key_of(sku))
    others = {n: tx.get(key_of(sku, n)) for n in range(1, units(first or {}, BUCKETS))}
    return Rows(sku, first, {n: row for n, row in others.items() if row is not None})


def listed(rows: Mapping[str, Document]) -> list[Stock]:
    """Return the stock of each item by SKU, out of all rows of a table by their keys."""
    others: dict[str, list[Document]] = {}
    for key, row in rows.items():
        if key.startswith(BUCKET):
            others.setdefault(str(sku_of(key)), []).append(row)
    firsts = {sku_of(key): row for key, row in rows.items() if key.startswith(PREFIX)}
    skus = sorted(sku for sku in firsts if sku)
    return [Stock.read(sku, firsts[sku], others.get(sku, ())) for sku in skus]
