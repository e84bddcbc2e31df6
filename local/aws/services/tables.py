"""Where moto's DynamoDB looks at, sorts or copies whole tables: it gets the rows that are meant."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import table as tables
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import SecondaryIndex, Table
from moto.dynamodb.models.utilities import bytesize

from local.aws.patch import Method, around
from local.aws.services.rows import Rows

# What moto takes as the limit of 400 KB.
_LARGEST: Final = 405_000  # bytes


def correct_tables() -> None:
    """Apply the corrections of this module. Requests have to come one at a time (see server)."""
    _keep_rows_in_order()
    _read_only_what_is_asked_for()
    _copy_no_row_to_read_it()
    _measure_an_item_once()
    _project_whole_attributes()


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
