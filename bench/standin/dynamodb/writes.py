"""One write of a request: its condition on the item as it is, and the item that it leaves.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from dataclasses import dataclass
from typing import Any

from bench.standin.dynamodb.conditions import condition
from bench.standin.dynamodb.table import Table, check_size
from bench.standin.dynamodb.updates import apply, update
from bench.standin.dynamodb.values import Item, size_of

Fields = dict[str, Any]
_NOTHING: Fields = {}


@dataclass(slots=True)
class Write:
    """A put, update, delete or condition check, evaluated but not done."""

    table: Table
    pk: str
    old: Item | None
    new: Item | None
    holds: bool  # its condition
    touched: list[str]
    kind: str

    @classmethod
    def of(cls, kind: str, fields: Fields, table: Table) -> "Write":
        """Evaluate a write. Raises ``Refused`` for one that is invalid."""
        pk = (fields["Item"] if kind == "Put" else fields["Key"])["pk"]["S"]
        names = fields.get("ExpressionAttributeNames") or _NOTHING
        values = fields.get("ExpressionAttributeValues") or _NOTHING
        old = table.items.get(pk)
        text = fields.get("ConditionExpression")
        holds = not text or condition(text)(old or {}, names, values)
        new, touched = old, []
        if holds and kind == "Put":
            new = fields["Item"]
        elif holds and kind == "Update":
            key = old or {"pk": {"S": pk}}
            new, touched = apply(update(fields.get("UpdateExpression", "")), key, names, values)
        elif holds and kind == "Delete":
            new = None
        if new is not None and new is not old:
            check_size(new)
        return cls(table, pk, old, new, holds, touched, kind)

    def do(self, *, factor: int = 1) -> None:
        """Write the item, at ``factor`` times the units."""
        if self.kind == "ConditionCheck":
            self.charge(factor=factor)
        else:
            self.table.write(self.pk, self.new, factor=factor)

    def charge(self, *, factor: int = 1) -> None:
        """Count the units of a write that is refused."""
        self.table.charge_write(size_of(self.old) if self.old else 0, factor=factor)

    @property
    def size(self) -> int:
        """The size of the new item in bytes."""
        return size_of(self.new) if self.new else 0

    def reason(self, fields: Fields) -> Fields:
        """Return its entry in the reasons of a transaction that is cancelled."""
        if self.holds:
            return {"Code": "None"}
        reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        shown = self.old and fields.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {**reason, "Item": self.old} if shown else reason

    def returned(self, wanted: str) -> Item | None:
        """Return what ``ReturnValues`` asks for."""
        match wanted:
            case "ALL_NEW":
                return self.new
            case "ALL_OLD":
                return self.old
            case "UPDATED_NEW" | "UPDATED_OLD":
                item = (self.new if wanted == "UPDATED_NEW" else self.old) or {}
                return {name: item[name] for name in self.touched if name in item}
        return None
