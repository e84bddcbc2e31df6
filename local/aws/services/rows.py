"""The rows of a table with a simple key, indexed so that no read scans all of them."""

import copy
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item


class Rows(dict[DynamoType, Item]):
    """Rows by key, in key order, and by the key attributes of secondary indexes.

    moto changes rows in place: call ``refile`` afterwards. Not thread-safe.
    """

    def __init__(self) -> None:
        super().__init__()
        self._order: list[DynamoType] = []
        self._indexes: dict[str, _Index] = {}  # by attribute; built on first use

    def __setitem__(self, key: DynamoType, row: Item) -> None:
        if key not in self:
            insort(self._order, key, key=_comparable)
        super().__setitem__(key, row)
        for index in self._indexes.values():
            index.file(key, row)

    def pop(self, key: DynamoType, *default: Any) -> Any:
        """Remove a row. Raises ``KeyError`` as a dictionary does."""
        if key in self:
            del self._order[bisect_left(self._order, _comparable(key), key=_comparable)]
            for index in self._indexes.values():
                index.drop(key)
        return super().pop(key, *default)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Rows":
        copied = Rows()
        for key, row in self.items():
            copied[key] = copy.deepcopy(row, memo)
        return copied

    def refile(self, key: DynamoType) -> None:
        """Update the indexes after a row has changed."""
        if key in self:
            self[key] = self[key]

    def after(self, key: DynamoType | None) -> Iterator[Item]:
        """Yield the rows after a key, or all rows, in key order."""
        start = bisect_right(self._order, _comparable(key), key=_comparable) if key else 0
        return (self[self._order[position]] for position in range(start, len(self._order)))

    def having(self, attribute: str, value: DynamoType) -> list[Item]:
        """List the rows in which ``attribute`` equals ``value``."""
        keys = self._index(attribute).keys_by_value.get(value, ())
        return [self[key] for key in keys]

    def with_any(self, attribute: str) -> list[Item]:
        """List the rows that have ``attribute``."""
        return [self[key] for key in self._index(attribute).value_by_key]

    def _index(self, attribute: str) -> "_Index":
        if attribute not in self._indexes:
            self._indexes[attribute] = index = _Index(attribute)
            for key, row in self.items():
                index.file(key, row)
        return self._indexes[attribute]


class _Index:
    def __init__(self, attribute: str) -> None:
        self._attribute = attribute
        self.value_by_key: dict[DynamoType, DynamoType] = {}
        self.keys_by_value: dict[DynamoType, dict[DynamoType, None]] = {}

    def file(self, key: DynamoType, row: Item) -> None:
        self.drop(key)
        value: DynamoType | None = row.attrs.get(self._attribute)
        if value is not None:
            self.value_by_key[key] = value
            self.keys_by_value.setdefault(value, {})[key] = None

    def drop(self, key: DynamoType) -> None:
        if (value := self.value_by_key.pop(key, None)) is not None:
            keys = self.keys_by_value[value]
            del keys[key]
            if not keys:
                del self.keys_by_value[value]


def _comparable(key: DynamoType) -> Any:
    return key.cast_value
