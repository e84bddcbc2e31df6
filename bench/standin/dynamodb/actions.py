"""Implements the actions of DynamoDB that this project's services and peers call.

A transaction takes effect at once and holds its items for as long as its answer takes; meanwhile
another write of one of them is refused as a conflict. Client request tokens are not remembered.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.standin.dynamodb.conditions import condition
from bench.standin.dynamodb.holds import CONFLICT, Holds
from bench.standin.dynamodb.table import READS, TRANSACTIONAL, WRITES, Index, Table
from bench.standin.dynamodb.values import Item, size_of
from bench.standin.dynamodb.writes import Write
from bench.standin.refusals import Refused

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MOST_WRITES = 100
LARGEST_TRANSACTION = 4 * 1024 * 1024  # bytes
MOST_KEYS = 100  # of a BatchGetItem
_HASH_VALUE = re.compile(r"\S+\s*=\s*(:\w+)")

Fields = dict[str, Any]


class DynamoDb:
    """All tables."""

    def __init__(self) -> None:
        """Create no tables yet."""
        self.tables: dict[str, Table] = {}
        self.units: Counter[str] = Counter()
        self.holds = Holds()
        self._actions: dict[str, Callable[[Fields], Fields]] = {
            "BatchGetItem": self._batch_get,
            "CreateTable": self._create,
            "DeleteItem": lambda fields: self._write("Delete", fields),
            "DeleteTable": self._drop,
            "DescribeTable": self._describe,
            "DescribeTimeToLive": lambda _: {
                "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
            },
            "GetItem": self._get,
            "PutItem": lambda fields: self._write("Put", fields),
            "Query": self._query,
            "Scan": self._scan,
            "TransactWriteItems": self._transact,
            "UpdateItem": lambda fields: self._write("Update", fields),
        }

    def act(self, action: str, fields: Fields) -> Fields:
        """Execute an action. Raises ``Refused``."""
        if action not in self._actions:
            raise Refused("UnknownOperationException")
        return self._actions[action](fields)

    def create(self, name: str, **indexes: tuple[str, str]) -> None:
        """Create a table with indexes, each by its hash and range key."""
        keys = {index: Index(*key) for index, key in indexes.items()}
        self.tables[name] = Table(name, self.units, indexes=keys)

    def clear_figures(self) -> None:
        """Reset the units."""
        self.units.clear()
        self.units.update({WRITES: 0, READS: 0})

    def _get(self, fields: Fields) -> Fields:
        table = self._table(fields)
        consistent = bool(fields.get("ConsistentRead"))
        item = table.read(fields["Key"]["pk"]["S"], consistent=consistent)
        return {} if item is None else {"Item": item}

    def _batch_get(self, fields: Fields) -> Fields:
        wanted = fields["RequestItems"]
        if not 0 < sum(len(each["Keys"]) for each in wanted.values()) <= MOST_KEYS:
            raise Refused("ValidationException", "Too many items requested for the BatchGetItem")
        found = {}
        for name, each in wanted.items():
            table, consistent = self._named(name), bool(each.get("ConsistentRead"))
            items = (table.read(key["pk"]["S"], consistent=consistent) for key in each["Keys"])
            found[name] = [item for item in items if item is not None]
        return {"Responses": found, "UnprocessedKeys": {}}

    def _write(self, kind: str, fields: Fields) -> Fields:
        write = Write.of(kind, fields, self._table(fields))
        if self.holds.has(write):
            raise Refused("TransactionConflictException", "Transaction is ongoing for the item")
        if not write.holds:
            write.charge()
            asked = fields.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and write.old
            raise Refused(
                "ConditionalCheckFailedException",
                "The conditional request failed",
                **({"Item": write.old} if asked else {}),
            )
        write.do()
        returned = write.returned(fields.get("ReturnValues", "NONE"))
        return {"Attributes": returned} if returned else {}

    def _transact(self, fields: Fields) -> Fields:
        asked = [next(iter(each.items())) for each in fields["TransactItems"]]
        if not 0 < len(asked) <= MOST_WRITES:
            raise Refused("ValidationException", f"Member must have length <= {MOST_WRITES}")
        writes = [Write.of(kind, each, self._table(each)) for kind, each in asked]
        if len({(write.table.name, write.pk) for write in writes}) < len(writes):
            raise Refused(
                "ValidationException",
                "Transaction request cannot include multiple operations on one item",
            )
        if len(writes) > 1 and sum(write.size for write in writes) > LARGEST_TRANSACTION:
            raise Refused("ValidationException", "Transaction exceeds 4 MB")
        conflicts = [self.holds.has(write) for write in writes]
        if any(conflicts) or not all(write.holds for write in writes):
            for write in writes:
                write.charge(factor=TRANSACTIONAL)
            reasons = [
                CONFLICT if conflict else write.reason(each)
                for write, conflict, (_, each) in zip(writes, conflicts, asked, strict=True)
            ]
            codes = ", ".join(reason["Code"] for reason in reasons)
            raise Refused(
                "TransactionCanceledException",
                "Transaction cancelled, please refer cancellation reasons for specific reasons "
                f"[{codes}]",
                CancellationReasons=reasons,
            )
        for write in writes:
            write.do(factor=TRANSACTIONAL)
        self.holds.take(writes)
        return {}

    def _query(self, fields: Fields) -> Fields:
        table, values = self._table(fields), fields.get("ExpressionAttributeValues") or {}
        text = fields["KeyConditionExpression"]
        hash_value = values[_HASH_VALUE.search(text)[1]]["S"]  # type: ignore[index]  # SDKs require it
        if name := fields.get("IndexName"):
            if name not in table.indexes:
                raise Refused("ValidationException", f"The table does not have the index: {name}")
            rows = table.indexes[name].ordered(hash_value)
        else:
            rows = [item] if (item := table.items.get(hash_value)) else []
        if start := fields.get("ExclusiveStartKey"):
            passed = next((n for n, row in enumerate(rows) if row["pk"] == start["pk"]), -1)
            rows = rows[passed + 1 :]
        if fields.get("ScanIndexForward") is False:
            rows.reverse()
        return self._page(table, rows, text, fields)

    def _scan(self, fields: Fields) -> Fields:
        return self._page(self._table(fields), list(self._table(fields).scan()), "", fields)

    def _page(self, table: Table, rows: list[Item], text: str, fields: Fields) -> Fields:
        """Return the rows that meet the conditions, up to the limit."""
        names = fields.get("ExpressionAttributeNames") or {}
        values = fields.get("ExpressionAttributeValues") or {}
        page = rows[: fields.get("Limit") or len(rows)]
        table.charge_read(sum(map(size_of, page)), consistent=bool(fields.get("ConsistentRead")))
        for each in (text, fields.get("FilterExpression") or ""):
            page = [row for row in page if condition(each)(row, names, values)] if each else page
        answer: Fields = {"Count": len(page), "ScannedCount": len(rows)}
        if fields.get("Select") != "COUNT":
            answer["Items"] = page
        if page and len(page) < len(rows) and fields.get("Limit"):
            answer["LastEvaluatedKey"] = {"pk": page[-1]["pk"]}
        return answer

    def _create(self, fields: Fields) -> Fields:
        indexes = {
            index["IndexName"]: tuple(key["AttributeName"] for key in index["KeySchema"])
            for index in fields.get("GlobalSecondaryIndexes") or ()
        }
        self.create(fields["TableName"], **indexes)
        return {"TableDescription": self._described(fields["TableName"])}

    def _drop(self, fields: Fields) -> Fields:
        del self.tables[self._table(fields).name]
        return {}

    def _describe(self, fields: Fields) -> Fields:
        return {"Table": self._described(self._table(fields).name)}

    def _described(self, name: str) -> Fields:
        indexes = [{"IndexName": index} for index in self._named(name).indexes]
        return {"TableName": name, "TableStatus": "ACTIVE", "GlobalSecondaryIndexes": indexes}

    def _table(self, fields: Fields) -> Table:
        return self._named(fields["TableName"])

    def _named(self, name: str) -> Table:
        try:
            return self.tables[name.rpartition("/")[2]]
        except KeyError:
            raise Refused("ResourceNotFoundException", "Requested resource not found") from None
