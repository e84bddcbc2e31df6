"""One table with the string key ``pk``, its sparse indexes, and the units that requests cost.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.standin.dynamodb.values import Item, size_of
from bench.standin.refusals import Refused

KIB = 1024
WRITE_UNIT = 1 * KIB  # bytes of an item
READ_UNIT = 4 * KIB
TRANSACTIONAL = 2  # units of a transaction for one of a plain request
LARGEST = 400 * KIB  # bytes
WRITES, READS = "write units", "read units"


@dataclass
class Index:
    """The rows that have both keys of an index, by its hash key. It projects all attributes."""

    hash_key: str
    range_key: str
    rows: dict[str, dict[str, Item]] = field(default_factory=dict)

    def key_of(self, item: Item | None) -> tuple[str, str] | None:
        """Return the keys of an item; None if it is not in the index."""
        if not item or self.hash_key not in item or self.range_key not in item:
            return None
        return item[self.hash_key]["S"], item[self.range_key]["S"]

    def ordered(self, hash_value: str) -> list[Item]:
        """Return the rows of a hash key in the order of the range key."""
        rows = self.rows.get(hash_value, {}).values()
        return sorted(rows, key=lambda item: (item[self.range_key]["S"], item["pk"]["S"]))

    def replace(self, pk: str, old: Item | None, new: Item | None) -> int:
        """Replace a row. Returns the number of writes that it takes."""
        before, after = self.key_of(old), self.key_of(new)
        if before:
            del self.rows[before[0]][pk]
        if after and new:
            self.rows.setdefault(after[0], {})[pk] = new
        return 1 if before == after else (before is not None) + (after is not None)


@dataclass
class Table:
    """The items of a table. ``units`` counts what all requests cost."""

    name: str
    units: Counter[str]
    items: dict[str, Item] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)

    def read(self, pk: str, *, consistent: bool) -> Item | None:
        """Read an item. An eventually consistent read costs half."""
        item = self.items.get(pk)
        self.charge_read(size_of(item) if item else 0, consistent=consistent)
        return item

    def charge_read(self, size: int, *, consistent: bool) -> None:
        """Count the units of a read of ``size`` bytes."""
        self.units[READS] += max(1, math.ceil(size / READ_UNIT)) * (1 if consistent else 0.5)  # type: ignore[assignment]  # halves

    def write(self, pk: str, new: Item | None, *, factor: int = 1) -> None:
        """Replace or delete an item. It costs the units of the larger of old and new."""
        old = self.items.get(pk)
        size = max(size_of(item) if item else 0 for item in (old, new))
        self.charge_write(size, factor=factor)
        if new is None:
            self.items.pop(pk, None)
        else:
            self.items[pk] = new
        for index in self.indexes.values():
            if index.key_of(old) or index.key_of(new):
                self.units[WRITES] += index.replace(pk, old, new) * _units(size)

    def charge_write(self, size: int, *, factor: int = 1) -> None:
        """Count the units of a write of ``size`` bytes; one that is refused costs as much."""
        self.units[WRITES] += factor * _units(size)

    def scan(self) -> Iterator[Item]:
        """Yield all items."""
        yield from self.items.values()


def check_size(item: Item) -> None:
    """Raise ``Refused`` if an item is larger than DynamoDB allows."""
    if size_of(item) > LARGEST:
        raise Refused("ValidationException", "Item size has exceeded the maximum allowed size")


def _units(size: int) -> int:
    return max(1, math.ceil(size / WRITE_UNIT))
