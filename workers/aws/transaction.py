"""One handler's reads and writes: it remembers what it read, and writes with conditions on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.aws.errors import translated
from workers.aws.items import added, check_fields, to_document, to_item
from workers.aws.transact import Write
from workers.runtime.errors import PermanentError
from workers.runtime.ports import Between, Document, Handling

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class DynamoTransaction:
    """Implements ``Transaction``; ``DynamoStore`` creates and commits it. Used by one thread."""

    client: "DynamoDBClient"
    table: str
    handlings: Mapping[str, Handling | None]  # by key: each gets an inbox row
    guard: Callable[[], None] | None
    fingerprint: str
    optimistic: bool
    _read: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)  # raw items
    _assumed: set[str] = field(default_factory=set)  # keys assumed to be absent, not read
    _writes: dict[str, Write] = field(default_factory=dict)
    _sums: dict[str, Mapping[str, object]] = field(default_factory=dict)  # staged, unconditional

    def get(self, key: str, *, creating: bool = False) -> Document | None:
        """Read a document; see ``Transaction``. A second read returns the same document."""
        self.check()
        if key not in self._read:
            if creating and self.optimistic:
                self._assumed.add(key)
                self._read[key] = None
            else:
                self._read[key] = self._fetch(key)
        item = self._read[key]
        return to_document(item) if item else None

    def put(self, key: str, document: Document) -> None:
        """Stage a document; see ``Transaction``.

        The item is written over the attributes that were read, as DynamoDB returned them. This
        happens here, not in the services, so that no handler can drop fields of a newer version.
        """
        self.check()
        if key not in self._read:
            raise LookupError(f"{key} must be read before it is written")
        check_fields(document)
        self._stage(key, _put(self.table, key, document, self._read[key] or {}))

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        """Stage a change of counters; see ``Transaction``."""
        self.check()
        check_fields(amounts)
        if where is None and key in self._sums:
            amounts = added(self._sums[key], amounts)
            self._writes[key] = _add(self.table, key, amounts, None)
        else:
            self._stage(key, _add(self.table, key, amounts, where))
        if where is None:
            self._sums[key] = amounts

    def check(self) -> None:
        """Call the guard, which raises ``LeaseLost`` once the lease is lost."""
        if self.guard is not None:
            self.guard()

    def writes(self) -> list[Write]:
        """Return the staged writes, for the commit.

        Raises ``LookupError`` if a document was read with ``creating`` but not written: no
        condition would then check that it is absent.
        """
        if forgotten := self._assumed - self._writes.keys():
            raise LookupError(f"read with creating=True but not written: {sorted(forgotten)}")
        return list(self._writes.values())

    def _fetch(self, key: str) -> Mapping[str, Any] | None:
        with translated("dynamodb"):
            return self.client.get_item(
                TableName=self.table, Key={"pk": {"S": key}}, ConsistentRead=True
            ).get("Item")

    def _stage(self, key: str, write: Write) -> None:
        if key in self._writes:
            raise PermanentError(f"dynamodb: the transaction writes {key} twice")
        self._writes[key] = write


def _put(table: str, key: str, document: Document, read: Mapping[str, Any]) -> Write:
    version = int(read["version"]["N"]) if read else 0
    put: dict[str, Any] = {
        "TableName": table,
        "Item": {
            **read,
            **to_item(document),
            "pk": {"S": key},
            "version": {"N": str(version + 1)},
        },
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if read:
        put["ConditionExpression"] = "version = :version"
        put["ExpressionAttributeValues"] = {":version": read["version"]}
    return {"Put": put}


def _add(table: str, key: str, amounts: Mapping[str, object], where: Between | None) -> Write:
    # Placeholders, because a field name may contain dots: revenue.EUR.
    names = {f"#f{i}": field for i, field in enumerate(amounts)}
    values = to_item({f":f{i}": amount for i, amount in enumerate(amounts.values())})
    changes = [f"#f{i} :f{i}" for i in range(len(amounts))]
    update: dict[str, Any] = {
        "TableName": table,
        "Key": {"pk": {"S": key}},
        "UpdateExpression": f"ADD {', '.join([*changes, 'version :one'])}",
    }
    values[":one"] = {"N": "1"}
    conditions: list[str] = []
    while where is not None:
        conditions.append(_condition(len(conditions), where, names, values))
        where = where.also
    if conditions:
        update["ConditionExpression"] = " AND ".join(conditions)
    if names:
        update["ExpressionAttributeNames"] = names
    update["ExpressionAttributeValues"] = values
    return {"Update": update}


def _condition(number: int, where: Between, names: dict[str, str], values: dict[str, Any]) -> str:
    """Return the text of a condition, and add its placeholders."""
    name, low, high = f"#where{number}", f":low{number}", f":high{number}"
    names[name] = where.field
    conditions = [f"attribute_exists({name})"]
    for sign, placeholder, bound in ((">=", low, where.low), ("<=", high, where.high)):
        if bound is not None:
            values |= to_item({placeholder: bound})
            conditions.append(f"{name} {sign} {placeholder}")
    return " AND ".join(conditions)
