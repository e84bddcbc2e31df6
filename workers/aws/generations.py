"""Generations of a service's data: a rebuild fills the next one while the current one is in use.

A generation has its own counters and its own inbox, so each counts every event exactly once,
whatever the others did. Their keys differ by a scope: generation 0 has none, generation 2 has
``g2#``. The row ``generation`` names the current one. Workers read it every two seconds; a version
of this code that knows no generations uses 0.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.runtime.ports import (
    AttemptLog,
    Between,
    Document,
    FailureLog,
    Handling,
    Outcomes,
    Record,
    Store,
    Transaction,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REBUILDABLE: Final = "analytics"  # all it does is in its table, so it can be done again
REFRESH: Final = 2.0  # s
_KEY: Final[Any] = {"pk": {"S": "generation"}}


def scope_of(generation: int) -> str:
    """Return what the keys of a generation start with."""
    return f"g{generation}#" if generation else ""


def current_generation(dynamodb: "DynamoDBClient", table: str) -> int:
    """Read which generation is in use; 0 if the table was never rebuilt."""
    return _number(dynamodb, table, "current")


def inbox_scope(dynamodb: "DynamoDBClient", table: str, service: str) -> str:
    """Return the scope of the inbox that a service uses now; only one service can have any."""
    return scope_of(current_generation(dynamodb, table)) if service == REBUILDABLE else ""


def new_generation(dynamodb: "DynamoDBClient", table: str) -> int:
    """Reserve the number of a generation that no rebuild has used."""
    with translated("dynamodb"):
        found = dynamodb.update_item(
            TableName=table,
            Key=_KEY,
            UpdateExpression="ADD newest :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )["Attributes"]
    return int(found["newest"]["N"])


def use_generation(dynamodb: "DynamoDBClient", table: str, generation: int) -> None:
    """Make a generation the current one: every worker uses it within ``REFRESH``."""
    with translated("dynamodb"):
        dynamodb.update_item(
            TableName=table,
            Key=_KEY,
            UpdateExpression="SET #current = :number",
            ExpressionAttributeNames={"#current": "current"},
            ExpressionAttributeValues={":number": {"N": str(generation)}},
        )


class CurrentScope:
    """Returns the scope of the current generation, at most ``REFRESH`` old. Thread-safe."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dynamodb, self._table = dynamodb, table
        self._clock = clock
        self._known: tuple[float, str] | None = None  # when it was read, and the scope

    def __call__(self) -> str:
        """Return the scope. Raises ``Unavailable`` if it cannot be read."""
        now, known = self._clock(), self._known
        if known is None or now - known[0] >= REFRESH:
            known = (now, scope_of(current_generation(self._dynamodb, self._table)))
            self._known = known
        return known[1]


@dataclass(frozen=True)
class GenerationalStore:
    """Implements ``Store`` on another store: each transaction is in the current generation."""

    store: Store
    scope: Callable[[], str]

    def recall(self, key: str) -> Record | None:
        """Look up the record of an earlier handling in this generation; see ``Store``."""
        return self.store.recall(self.scope() + key)

    def begin(self, key: str, **named: Any) -> Transaction:
        """Start a transaction in the current generation; see ``Store``."""
        scope = self.scope()
        return _Scoped(self.store.begin(scope + key, **named), scope)

    def begin_together(self, handlings: Mapping[str, Handling], **named: Any) -> Transaction:
        """Start a transaction for several keys, all in one generation; see ``Store``."""
        scope = self.scope()
        scoped = {scope + key: handling for key, handling in handlings.items()}
        return _Scoped(self.store.begin_together(scoped, **named), scope)

    def commit(self, transaction: Transaction, outcomes: Outcomes, **named: Any) -> Record:
        """Write everything; see ``Store``."""
        return self.store.commit(_scoped(transaction).inner, outcomes, **named)

    def commit_together(self, transaction: Transaction) -> frozenset[str]:
        """Write everything; see ``Store``."""
        transaction = _scoped(transaction)
        known = self.store.commit_together(transaction.inner)
        return frozenset(key.removeprefix(transaction.scope) for key in known)

    def attempts(self, message_id: str) -> AttemptLog:
        """Look up the recorded attempts of a message; see ``Store``."""
        return self.store.attempts(message_id)

    def record_attempt(self, *given: Any, **named: Any) -> AttemptLog:
        """Record an attempt; see ``Store``."""
        return self.store.record_attempt(*given, **named)

    def excuse_attempt(self, *given: Any, **named: Any) -> None:
        """Remove a recorded attempt; see ``Store``."""
        self.store.excuse_attempt(*given, **named)

    def record_failure(self, *given: Any, **named: Any) -> None:
        """Record a failed attempt; see ``Store``."""
        self.store.record_failure(*given, **named)

    def failures(self, key: str) -> FailureLog:
        """Read the failed attempts at an event; see ``Store``."""
        return self.store.failures(key)


@dataclass(frozen=True)
class _Scoped:
    """A transaction whose documents are those of one generation."""

    inner: Transaction
    scope: str

    def get(self, key: str, *, creating: bool = False) -> Document | None:
        return self.inner.get(self.scope + key, creating=creating)

    def put(self, key: str, document: Document) -> None:
        self.inner.put(self.scope + key, document)

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        self.inner.add(self.scope + key, amounts, where=where)


def _scoped(transaction: Transaction) -> _Scoped:
    if not isinstance(transaction, _Scoped):
        raise TypeError("the transaction belongs to another store")
    return transaction


def _number(dynamodb: "DynamoDBClient", table: str, name: str) -> int:
    with translated("dynamodb"):
        item = dynamodb.get_item(TableName=table, Key=_KEY, ConsistentRead=True).get("Item", {})
    return int(item[name]["N"]) if name in item else 0
