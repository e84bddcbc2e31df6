"""Where moto's DynamoDB behaves unlike DynamoDB: what a request costs in a large table."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from moto.dynamodb import models
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import table as tables
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import SecondaryIndex, Table
from moto.dynamodb.models.utilities import bytesize

from workers.local.patch import Method, around
from workers.local.rows import Rows

# What moto takes as the limit of 400 KB.
_LARGEST: Final = 405_000  # bytes


def correct_dynamodb() -> None:
    """Apply the corrections of this module. Requests have to come one at a time (see server)."""
    _undo_only_what_was_touched()
    _keep_rows_in_order()
    _read_only_what_is_asked_for()
    _copy_no_row_to_read_it()
    _measure_an_item_once()
    _project_whole_attributes()


def _undo_only_what_was_touched() -> None:
    """Keep TransactWriteItems all or nothing, and isolated, at a cost that does not grow.

    moto copies every table involved, whole, and puts the copy back if an action fails. Here
    the rows that the transaction names are remembered and put back. Isolation is the server's:
    nobody sees the rows in between because requests to DynamoDB wait for each other.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """

    def copy_rows_only(value: object) -> object:
        return value if isinstance(value, Table) else copy.deepcopy(value)

    # In this module of moto the one copy of a Table is the backup of a transaction.
    vars(models)["copy"] = SimpleNamespace(deepcopy=copy_rows_only)

    @around(DynamoDBBackend, "transact_write_items")
    def transact(
        original: Method, backend: DynamoDBBackend, transact_items: list[dict[str, Any]]
    ) -> None:
        before = [row for action in transact_items if (row := _Row.named_by(backend, action))]
        try:
            original(backend, transact_items)
        except Exception:
            for row in reversed(before):
                row.restore()
            raise


def _keep_rows_in_order() -> None:
    """Keep the rows of a table without sort keys in ``Rows``, and tell it what changes in place."""

    @around(Table, "__init__")
    def create(original: Method, table: Table, *args: object, **named: object) -> None:
        original(table, *args, **named)
        if not table.has_range_key:
            setattr(table, "items", Rows())  # noqa: B010 - moto declares another type

    @around(DynamoDBBackend, "update_item")
    def update(
        original: Method,
        backend: DynamoDBBackend,
        table_name: str,
        key: dict[str, Any],
        **named: object,
    ) -> Item:
        try:
            item: Item = original(backend, table_name, key, **named)
        finally:
            table = backend.tables.get(table_name)
            if table and (rows := _rows(table)) is not None and table.hash_key_attr in key:
                rows.refile(DynamoType(key[table.hash_key_attr]))
        return item


def _rows(table: Table) -> Rows | None:
    items: Any = table.items
    return items if isinstance(items, Rows) else None


def _read_only_what_is_asked_for() -> None:
    """Let Query and Scan look at the rows that can be meant; moto sorts and looks at all.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html
    """

    @around(Table, "query")
    def query(
        original: Method, table: Table, hash_key: DynamoType, *args: Any, **named: object
    ) -> object:
        index_name = args[6]  # where moto's backend passes it
        rows = _rows(table)
        if rows is None:
            return original(table, hash_key, *args, **named)
        if index_name:
            found = rows.having(_hash_key_of(table.get_index(index_name)), hash_key)
        else:
            found = [rows[hash_key]] if hash_key in rows else []
        with _only(table, found):
            return original(table, hash_key, *args, **named)

    @around(Table, "scan")
    def scan(
        original: Method,
        table: Table,
        filters: object,
        limit: object,
        start: dict[str, Any] | None,
        *args: Any,
        **named: object,
    ) -> object:
        rows = _rows(table)
        if rows is None:
            return original(table, filters, limit, start, *args, **named)
        with _only(table, rows.after(DynamoType(start[table.hash_key_attr]) if start else None)):
            return original(table, filters, limit, start, *args, **named)

    @around(Table, "all_items")
    def all_items(original: Method, table: Table) -> Iterable[Item]:
        found: Iterable[Item] | None = vars(table).get("candidates")
        return original(table) if found is None else found

    @around(Table, "has_idx_items")
    def in_index(original: Method, table: Table, index_name: str) -> list[Item]:
        if (rows := _rows(table)) is None:
            items: list[Item] = original(table, index_name)
            return items
        index = table.get_index(index_name)
        wanted = {key["AttributeName"] for key in index.schema}
        return [row for row in rows.with_any(_hash_key_of(index)) if wanted <= set(row.attrs)]


def _hash_key_of(index: SecondaryIndex) -> str:
    return next(key["AttributeName"] for key in index.schema if key["KeyType"] == "HASH")


@contextmanager
def _only(table: Table, rows: Iterable[Item]) -> Iterator[None]:
    """Let moto take these rows for all there are."""
    vars(table)["candidates"] = rows
    try:
        yield
    finally:
        del vars(table)["candidates"]


def _copy_no_row_to_read_it() -> None:
    """Answer from the rows themselves: the answer is written before the next request is let in."""

    def copy_other_things(value: Any) -> Any:
        if isinstance(value, Item) or (type(value) is list and value and type(value[0]) is Item):
            return value
        return copy.deepcopy(value)

    vars(tables)["copy"] = SimpleNamespace(copy=copy.copy, deepcopy=copy_other_things)


def _measure_an_item_once() -> None:
    """Compare a new item's size with the limit once; moto does with each attribute, for all."""

    def create(
        item: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]
    ) -> None:
        item.hash_key, item.range_key = hash_key, range_key
        values = {name: DynamoType(value) for name, value in attrs.items()}
        if sum(bytesize(name) + value.size() for name, value in values.items()) > _LARGEST:
            raise ItemSizeTooLarge
        item.attrs = LimitedSizeDict(values)

    setattr(Item, "__init__", create)  # noqa: B010 - a patch


def _project_whole_attributes() -> None:
    """Take attributes as they are for a projection that names nothing inside them.

    moto turns the item into Python's types and back for each name.
    """

    @around(Item, "project")
    def project(original: Method, item: Item, paths: list[list[str]]) -> Item:
        if any(len(path) > 1 or "[" in path[0] for path in paths):
            projected: Item = original(item, paths)
            return projected
        found = {name: item.attrs[name] for (name,) in paths if name in item.attrs}
        return Item(item.hash_key, item.range_key, found)


@dataclass(frozen=True)
class _Row:
    """One row as it was before the transaction, and how long its table's stream was."""

    table: Table
    key: tuple[DynamoType, ...]
    item: Item | None
    stream_length: int

    @classmethod
    def named_by(cls, backend: DynamoDBBackend, action: dict[str, Any]) -> "_Row | None":
        """Remember the row of one action; None if moto will refuse the action anyway."""
        request = next(iter(action.values()))
        table = backend.tables.get(request.get("TableName"))
        attributes = request.get("Key") or request.get("Item") or {}
        if table is None or any(name not in attributes for name in table.table_key_attrs):
            return None
        key = tuple(DynamoType(attributes[name]) for name in table.table_key_attrs)
        rows = _siblings(table, key)
        stream = table.stream_shard
        return cls(
            table=table,
            key=key,
            item=copy.deepcopy(rows.get(key[-1])),
            stream_length=len(stream.items) if stream else 0,
        )

    def restore(self) -> None:
        rows = _siblings(self.table, self.key)
        if self.item is None:
            rows.pop(self.key[-1], None)
        else:
            rows[self.key[-1]] = self.item
        if self.table.stream_shard:
            del self.table.stream_shard.items[self.stream_length :]


def _siblings(table: Table, key: tuple[DynamoType, ...]) -> dict[DynamoType, Item]:
    """Find the mapping that holds a row: the table itself, or its partition."""
    items: Any = table.items  # keyed by partition, or by partition and sort key
    rows: dict[DynamoType, Item] = items if len(key) == 1 else items[key[0]]
    return rows
