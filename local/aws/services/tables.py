"""Speeds up reads in moto's DynamoDB, which scan, sort and copy whole tables."""

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

from local.aws.patch import Method, wrap
from local.aws.services.rows import Rows

# moto's value for the limit of 400 KB.
_LARGEST: Final = 405_000  # bytes


def correct_tables() -> None:
    """Apply the corrections of this module. Requests must be serialised (see ``server``)."""
    _index_rows()
    _read_candidate_rows_only()
    _read_without_copies()
    _measure_items_once()
    _project_whole_attributes()


def _index_rows() -> None:
    """Store the rows of a table without a sort key in ``Rows``, and report changes to it."""

    @wrap(Table, "__init__")
    def create(original: Method, table: Table, *args: object, **named: object) -> None:
        original(table, *args, **named)
        if not table.has_range_key:
            setattr(table, "items", Rows())  # noqa: B010 - moto declares another type

    @wrap(DynamoDBBackend, "update_item")
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


def _read_candidate_rows_only() -> None:
    """Limit Query and Scan to the rows that can match; moto sorts and checks all rows.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html
    """

    @wrap(Table, "query")
    def query(
        original: Method, table: Table, hash_key: DynamoType, *args: Any, **named: object
    ) -> object:
        index_name = args[6]  # its position in the call of moto's backend
        rows = _rows(table)
        if rows is None:
            return original(table, hash_key, *args, **named)
        if index_name:
            found = rows.having(_hash_key_of(table.get_index(index_name)), hash_key)
        else:
            found = [rows[hash_key]] if hash_key in rows else []
        with _only(table, found):
            return original(table, hash_key, *args, **named)

    @wrap(Table, "scan")
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

    @wrap(Table, "all_items")
    def all_items(original: Method, table: Table) -> Iterable[Item]:
        found: Iterable[Item] | None = vars(table).get("candidates")
        return original(table) if found is None else found

    @wrap(Table, "has_idx_items")
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
    """Make these rows the only ones that moto sees in the table."""
    vars(table)["candidates"] = rows
    try:
        yield
    finally:
        del vars(table)["candidates"]


def _read_without_copies() -> None:
    """Serialise the rows themselves. This is safe because requests are serialised."""

    def copy_other_things(value: Any) -> Any:
        if isinstance(value, Item) or (type(value) is list and value and type(value[0]) is Item):
            return value
        return copy.deepcopy(value)

    vars(tables)["copy"] = SimpleNamespace(copy=copy.copy, deepcopy=copy_other_things)


def _measure_items_once() -> None:
    """Check the size of a new item once; moto checks all of it for each attribute."""

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
    """Project top-level attributes without conversion.

    moto converts the item to Python types and back for each name.
    """

    @wrap(Item, "project")
    def project(original: Method, item: Item, paths: list[list[str]]) -> Item:
        if any(len(path) > 1 or "[" in path[0] for path in paths):
            projected: Item = original(item, paths)
            return projected
        found = {name: item.attrs[name] for (name,) in paths if name in item.attrs}
        return Item(item.hash_key, item.range_key, found)
