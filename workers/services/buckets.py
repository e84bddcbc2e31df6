"""Spreads an item over buckets, merges them, and changes the units in them, as operators do.

Each change is one transaction, so a reservation sees the rows before it or after it. Moving units
writes every row that existed as it was read, which fails (``Conflict``) if an order came in
between. Splitting a single row, and adding units, hold whatever orders do meanwhile: that is when
an item is hot. If added units bring a low item in buckets above its threshold, though, all rows are
written: some units have to be kept for the next warning.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from workers.runtime.errors import PermanentError
from workers.runtime.ports import Between, Document, Transaction
from workers.services.picking import IN_BUCKETS, shares
from workers.services.stock import (
    AVAILABLE,
    BUCKETS,
    KEPT,
    LAYOUT,
    REORDER_THRESHOLD,
    RESERVED,
    Rows,
    Stock,
    key_of,
    look,
    units,
)

# One order may take units out of every bucket of three such items: a transaction has 100 writes at
# most. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MAX_BUCKETS: Final = 32


class NotEnough(PermanentError):
    """The change would leave less than nothing."""


def arrange(
    sku: str,
    tx: Transaction,
    *,
    buckets: int | None = None,
    available: int | None = None,
    reorder_threshold: int | None = None,
) -> tuple[Stock, Stock]:
    """Spread an item evenly over ``buckets``; return its stock before and after.

    What is not given stays as it is. The reserved units of buckets that are no longer used go to
    the first one.
    """
    rows = look(sku, tx)
    before = rows.stock
    after = Stock(
        sku,
        before.available if available is None else available,
        before.reserved,
        before.reorder_threshold if reorder_threshold is None else reorder_threshold,
        before.buckets if buckets is None else buckets,
    )
    if (before.buckets, after.buckets) == (1, 1):
        fields = {AVAILABLE: after.available, REORDER_THRESHOLD: after.reorder_threshold}
        tx.put(key_of(sku), {RESERVED: 0} | (rows.first or {}) | fields)
        return before, after
    parts = _parts(after)
    if after == replace(before, buckets=after.buckets) and before.buckets == 1:
        _move_out(rows, after, parts, tx)
    else:
        _rewrite_first(rows, after, parts, tx)
    layout = _layout(rows) + 1
    for bucket in range(1, max(before.buckets, after.buckets)):
        old = tx.get(key_of(sku, bucket)) or {}
        used = bucket < after.buckets
        row: Document = {
            AVAILABLE: parts[bucket] if used else 0,
            RESERVED: units(old, RESERVED) if used else 0,
            LAYOUT: layout,
        }
        tx.put(key_of(sku, bucket), row)
    return before, after


def adjust(
    sku: str, number: int, tx: Transaction, *, over: int, choose: Callable[[int], int]
) -> tuple[Stock, Stock]:
    """Add units to an item, or take some away; return its stock before and after.

    Adding writes ``over`` of the buckets. Fewer of them are more often free of running orders. All
    are written if the item gets above its threshold again, and if no bucket has as many units as
    are to be taken. Raises ``NotEnough``.
    """
    rows = look(sku, tx)
    before = rows.stock
    total = before.available + number
    if total < 0:
        raise NotEnough(f"{sku}: {before.available} available, cannot take {-number}")
    after = replace(before, available=total)
    if before.buckets == 1:
        tx.add(key_of(sku), {AVAILABLE: number}, where=Between(AVAILABLE, low=max(0, -number)))
        return before, after
    rearms = number > 0 and not units(rows.first or {}, KEPT) and total > before.reorder_threshold
    fullest = max(range(before.buckets), key=lambda n: units(_row(rows, n), AVAILABLE))
    if rearms or number < -units(_row(rows, fullest), AVAILABLE):
        return arrange(sku, tx, available=total)
    chosen = [fullest]
    if number > 0:
        left = list(range(before.buckets))
        chosen = [left.pop(choose(len(left))) for _ in range(min(over, len(left)))]
    for bucket, share in zip(chosen, shares(number, len(chosen)), strict=True):
        layout = units(_row(rows, bucket), LAYOUT)
        same = Between(LAYOUT, layout, layout, None if bucket else IN_BUCKETS)
        where = Between(AVAILABLE, low=max(0, -share), also=same)
        tx.add(key_of(sku, bucket), {AVAILABLE: share}, where=where)
    return before, after


def _parts(stock: Stock) -> list[int]:
    """Return the units for sale in each bucket, without the kept ones."""
    return shares(stock.available - _kept(stock), stock.buckets)


def _kept(stock: Stock) -> int:
    """Return how many units to keep out of the buckets; none if the item is low already."""
    armed = stock.buckets > 1 and stock.available > stock.reorder_threshold
    return stock.reorder_threshold + 1 if armed else 0


def _move_out(rows: Rows, after: Stock, parts: list[int], tx: Transaction) -> None:
    """Move units out of a single row; orders may take some of the others meanwhile.

    The bounds make sure that the row is still above its threshold if units are kept, and still at
    or below it if none are.
    """
    kept, moved = _kept(after), after.available - parts[0]
    first = rows.first or {}
    amounts = {
        AVAILABLE: -moved,
        KEPT: kept - units(first, KEPT),
        BUCKETS: after.buckets - units(first, BUCKETS),
        LAYOUT: 1,
    }
    where = Between(AVAILABLE, moved, None if kept else after.reorder_threshold)
    tx.add(key_of(rows.sku), amounts, where=where)


def _rewrite_first(rows: Rows, after: Stock, parts: list[int], tx: Transaction) -> None:
    unused = sum(
        units(row, RESERVED) for bucket, row in rows.others.items() if bucket >= after.buckets
    )
    row: Document = {
        AVAILABLE: parts[0],
        RESERVED: units(rows.first or {}, RESERVED) + unused,
        REORDER_THRESHOLD: after.reorder_threshold,
        BUCKETS: after.buckets,
        KEPT: _kept(after),
        LAYOUT: _layout(rows) + 1,
    }
    tx.put(key_of(rows.sku), row)


def _row(rows: Rows, bucket: int) -> Document:
    return (rows.others.get(bucket) if bucket else rows.first) or {}


def _layout(rows: Rows) -> int:
    return units(rows.first or {}, LAYOUT)
