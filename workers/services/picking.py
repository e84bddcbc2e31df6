"""Takes units of an item out of its stock row or its buckets, and gives them back.

A reservation of an item with buckets takes its units out of one of them, chosen at random. If it
has too few, it tries the others, and collects the units out of several if no single one has enough.

``kept`` units make the warning exact. An item with buckets keeps one unit more than its reorder
threshold out of them. While the buckets have enough, the item cannot be low, and nobody has to look
at all of them. The reservation that needs the kept units is the one that makes the item low: it
reports that, and puts what is left into the buckets. Nothing is kept from then on, so nobody
reports the item again, until an operator adds units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from workers.events import LowStock
from workers.runtime.errors import Conflict
from workers.runtime.ports import Between, Document, Transaction
from workers.services.stock import (
    AVAILABLE,
    BUCKETS,
    KEPT,
    LAYOUT,
    REORDER_THRESHOLD,
    RESERVED,
    key_of,
    units,
)

IN_BUCKETS: Final = Between(BUCKETS, low=2)  # a condition: nobody has merged the buckets


@dataclass(frozen=True)
class Change:
    """One write of a stock row."""

    amounts: Mapping[str, int]
    where: Between


@dataclass(frozen=True)
class Pick:
    """The decision where to take the units of one item. Without ``changes`` it is short."""

    sku: str
    quantity: int
    available: int = 0  # units for sale; all of them, if the item is short
    changes: Mapping[int, Change] = field(default_factory=dict)  # by bucket
    low: LowStock | None = None  # the report that this makes the item low

    @property
    def short(self) -> bool:
        """Whether the item has too few units."""
        return not self.changes

    @property
    def taken(self) -> dict[int, int]:
        """The units that each bucket gives."""
        return {n: each.amounts[RESERVED] for n, each in self.changes.items()}

    def take(self, tx: Transaction) -> None:
        """Reserve the units. The commit fails if the decision is out of date."""
        for bucket, change in self.changes.items():
            tx.add(key_of(self.sku, bucket), change.amounts, where=change.where)


def pick(sku: str, quantity: int, tx: Transaction, choose: Callable[[int], int]) -> Pick:
    """Decide where to take ``quantity`` units. ``choose(n)`` returns a random number below n.

    Raises ``Conflict`` if an operator moves units between the buckets at this moment.
    """
    row = tx.get(key_of(sku)) or {}
    count = units(row, BUCKETS)
    if count < 2:  # noqa: PLR2004 - one row is no buckets
        return _of_one_row(sku, quantity, row)
    seen, left = dict[int, int](), list(range(count))
    while left:
        bucket = left.pop(choose(len(left)))
        seen[bucket] = _available(sku, bucket, row, tx)
        if seen[bucket] >= quantity:
            return Pick(sku, quantity, seen[bucket], {bucket: _some(bucket, quantity)})
    return _of_all(sku, quantity, row, seen)


def give_back(sku: str, held: Mapping[int, int], tx: Transaction) -> None:
    """Release reserved units to the buckets that they came from."""
    for bucket, quantity in _places(sku, held, tx).items():
        _settle(sku, bucket, {AVAILABLE: quantity, RESERVED: -quantity}, tx)


def send_off(sku: str, held: Mapping[int, int], tx: Transaction) -> None:
    """Take reserved units out of the stock."""
    for bucket, quantity in _places(sku, held, tx).items():
        _settle(sku, bucket, {RESERVED: -quantity}, tx)


def shares(total: int, count: int) -> list[int]:
    """Divide units evenly."""
    return [total // count + (n < total % count) for n in range(count)]


def _of_one_row(sku: str, quantity: int, row: Document) -> Pick:
    """Take from the only row, under a condition that keeps the warning exact.

    Only the reservation that crosses the threshold depends on the exact count.
    """
    available, threshold = units(row, AVAILABLE), units(row, REORDER_THRESHOLD)
    left = available - quantity
    if left < 0:
        return Pick(sku, quantity, available)
    low, where = None, Between(AVAILABLE, quantity, threshold)
    if available > threshold >= left:
        low = LowStock(sku=sku, available=left, reorder_threshold=threshold)
        where = Between(AVAILABLE, available, available)
    elif available > threshold:
        where = Between(AVAILABLE, threshold + quantity + 1)
    change = Change({AVAILABLE: -quantity, RESERVED: quantity}, where)
    return Pick(sku, quantity, available, {0: change}, low)


def _of_all(sku: str, quantity: int, row: Document, seen: Mapping[int, int]) -> Pick:
    """Collect from several buckets, open what is kept, or find the item short."""
    free, kept = sum(seen.values()), units(row, KEPT)
    if quantity > free + kept:
        return Pick(sku, quantity, free + kept)
    if quantity <= free:
        return Pick(sku, quantity, free, _collected(quantity, seen))
    left, threshold, changes = free + kept - quantity, units(row, REORDER_THRESHOLD), {}
    # Every bucket as it was seen: the sum, and so the report, is exact.
    same = Between(LAYOUT, units(row, LAYOUT), units(row, LAYOUT))
    for (bucket, available), share in zip(
        sorted(seen.items()), shares(left, len(seen)), strict=True
    ):
        amounts, also = {AVAILABLE: share - available, RESERVED: available, LAYOUT: 1}, same
        if bucket == 0:
            amounts |= {KEPT: -kept, RESERVED: available + quantity - free}
            also = Between(KEPT, kept, kept, same)
        changes[bucket] = Change(amounts, Between(AVAILABLE, available, available, also))
    low = LowStock(sku=sku, available=left, reorder_threshold=threshold)
    return Pick(sku, quantity, free + kept, changes, low)


def _collected(quantity: int, seen: Mapping[int, int]) -> dict[int, Change]:
    """Take from the fullest buckets first: the fewer rows, the fewer conflicts."""
    changes: dict[int, Change] = {}
    for bucket in sorted(seen, key=lambda n: -seen[n]):
        if quantity and (some := min(quantity, seen[bucket])):
            changes[bucket] = _some(bucket, some)
            quantity -= some
    return changes


def _some(bucket: int, quantity: int) -> Change:
    where = Between(AVAILABLE, low=quantity, also=None if bucket else IN_BUCKETS)
    return Change({AVAILABLE: -quantity, RESERVED: quantity}, where)


def _available(sku: str, bucket: int, first: Document, tx: Transaction) -> int:
    """Return the units for sale in a bucket.

    Buckets are read one after the other. Units that are moved meanwhile could be missed, or be
    counted twice, so a move changes the layout of every bucket.
    """
    row = (tx.get(key_of(sku, bucket)) or {}) if bucket else first
    if units(row, LAYOUT) != units(first, LAYOUT):
        raise Conflict(f"the buckets of {sku} are being rearranged")
    return units(row, AVAILABLE)


def _places(sku: str, held: Mapping[int, int], tx: Transaction) -> dict[int, int]:
    """Return which bucket has the reserved units now.

    Merging buckets moves their reserved units to the first one.
    """
    places = dict.fromkeys((0,), 0)
    for bucket, quantity in held.items():
        there = quantity
        if bucket:
            there = min(quantity, units(tx.get(key_of(sku, bucket)) or {}, RESERVED))
            places[bucket] = there
        places[0] += quantity - there if bucket else there
    return {bucket: quantity for bucket, quantity in places.items() if quantity}


def _settle(sku: str, bucket: int, amounts: Mapping[str, int], tx: Transaction) -> None:
    where = Between(RESERVED, low=-amounts[RESERVED]) if bucket else None
    tx.add(key_of(sku, bucket), amounts, where=where)
