"""Corrects the cost of DynamoDB transactions in moto, and the settings of restored tables."""

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import RestoredPITTable, Table

from local.aws.patch import Method, wrap


def correct_dynamodb() -> None:
    """Apply the corrections of this module. Requests must be serialised (see ``server``)."""
    _roll_back_touched_rows()
    _restore_settings()


def _roll_back_touched_rows() -> None:
    """Keep TransactWriteItems atomic and isolated, at a cost independent of the table size.

    moto copies every table involved, and restores the copy if an action fails. This patch saves
    and restores only the rows that the transaction names. The server provides the isolation: no
    request sees intermediate rows because requests to DynamoDB are serialised.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """

    def copy_rows_only(value: object) -> object:
        return value if isinstance(value, Table) else copy.deepcopy(value)

    # This module of moto copies a Table only as the backup of a transaction.
    vars(models)["copy"] = SimpleNamespace(deepcopy=copy_rows_only)

    @wrap(DynamoDBBackend, "transact_write_items")
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


def _restore_settings() -> None:
    """Restore the billing mode and the encryption with a table; moto forgets them.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
    """

    @wrap(RestoredPITTable, "_parse_params_from_table")
    def settings(original: Method, restored: RestoredPITTable, source: Table) -> dict[str, Any]:
        parameters: dict[str, Any] = original(restored, source)
        encryption = copy.deepcopy(source.sse_specification)
        return parameters | {
            "billing_mode": source.billing_mode,
            "sse_specification": encryption,
        }


@dataclass(frozen=True)
class _Row:
    """A row before the transaction, and the length of its table's stream."""

    table: Table
    key: tuple[DynamoType, ...]
    item: Item | None
    stream_length: int

    @classmethod
    def named_by(cls, backend: DynamoDBBackend, action: dict[str, Any]) -> "_Row | None":
        """Save the row of one action; None if moto will refuse the action."""
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
    """Return the mapping that holds a row: the table itself, or its partition."""
    items: Any = table.items  # keyed by partition, or by partition and sort key
    rows: dict[DynamoType, Item] = items if len(key) == 1 else items[key[0]]
    return rows
