"""What one handler reads and writes in a table: versions on reads, conditions on writes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.aws.errors import translated
from workers.aws.items import check_fields, to_document, to_item
from workers.aws.transact import Write
from workers.runtime.errors import PermanentError
from workers.runtime.ports import Between, Document

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass
class DynamoTransaction:
    """The port ``Transaction``; ``DynamoStore`` makes and commits it. For one thread."""

    client: "DynamoDBClient"
    table: str
    key: str
    guard: Callable[[], None] | None
    fingerprint: str
    optimistic: bool
    _read: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)  # items as they are
    _assumed: set[str] = field(default_factory=set)  # to be absent, without having asked
    _writes: dict[str, Write] = field(default_factory=dict)

    def get(self, key: str, *, creating: bool = False) -> Document | None:
        """Read a document; see ``Transaction``. A second read gives the same."""
        self.check()
        if key not in self._read:
            if creating and self.optimistic:
                self._assumed.add(key)
                self._read[key] = None
            else:
                self._read[key] = self._ask(key)
        item = self._read[key]
        return to_document(item) if item else None

    def put(self, key: str, document: Document) -> None:
        """Stage a document; see ``Transaction``.

        What was read is the ground that it is written on, attribute by attribute as DynamoDB
        gave it: here and not in the services, so that no handler can forget a newer version's
        fields.
        """
        self.check()
        if key not in self._read:
            raise LookupError(f"{key} was not read in this transaction")
        check_fields(document)
        self._stage(key, _put(self.table, key, document, self._read[key] or {}))

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        """Stage a change of counters; see ``Transaction``."""
        self.check()
        check_fields(amounts)
        self._stage(key, _add(self.table, key, amounts, where))

    def check(self) -> None:
        """Raise ``LeaseLost`` once the guard says so."""
        if self.guard is not None:
            self.guard()

    def writes(self) -> list[Write]:
        """Give what is staged, for the commit.

        Raises ``LookupError`` for a document that was to be created and was not: no condition
        would find out that it is there.
        """
        if forgotten := self._assumed - self._writes.keys():
            raise LookupError(f"{', '.join(sorted(forgotten))} was to be created")
        return list(self._writes.values())

    def _ask(self, key: str) -> Mapping[str, Any] | None:
        with translated("dynamodb"):
            return self.client.get_item(
                TableName=self.table, Key={"pk": {"S": key}}, ConsistentRead=True
            ).get("Item")

    def _stage(self, key: str, write: Write) -> None:
        if key in self._writes:
            raise PermanentError(f"dynamodb: {key} is written twice in one transaction")
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
    # Placeholders, for a field's name may hold dots: revenue.EUR.
    names = {f"#f{i}": field for i, field in enumerate(amounts)}
    values = to_item({f":f{i}": amount for i, amount in enumerate(amounts.values())})
    changes = [f"#f{i} :f{i}" for i in range(len(amounts))]
    update: dict[str, Any] = {
        "TableName": table,
        "Key": {"pk": {"S": key}},
        "UpdateExpression": f"ADD {', '.join([*changes, 'version :one'])}",
    }
    values[":one"] = {"N": "1"}
    if where is not None:
        names["#where"] = where.field
        bounds = {":low": where.low, ":high": where.high}
        values |= to_item({name: bound for name, bound in bounds.items() if bound is not None})
        update["ConditionExpression"] = _condition(where)
    if names:
        update["ExpressionAttributeNames"] = names
    update["ExpressionAttributeValues"] = values
    return {"Update": update}


def _condition(where: Between) -> str:
    conditions = ["attribute_exists(#where)"]
    if where.low is not None:
        conditions.append("#where >= :low")
    if where.high is not None:
        conditions.append("#where <= :high")
    return " AND ".join(conditions)
