"""The evidence of a run: tables, queues, recorded deliveries and logs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from local.chaos.history import Op
from workers.aws import names
from workers.aws.items import to_document
from workers.aws.outbox_leases import ShardLease
from workers.ops.dlq import DeadMessage, look
from workers.ops.queues import QueueState
from workers.samples import SampleOrder
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

MOST_DEAD: Final = 1_000  # dead letters read per queue

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One delivery that the audit recorded: its body and the fields in it."""

    body: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, body: str) -> "Event":
        """Read the body of a delivery. A body that is not JSON has no fields."""
        try:
            fields = orjson.loads(body)
        except ValueError:
            fields = {}
        return cls(body, fields if isinstance(fields, dict) else {})

    @property
    def id(self) -> str:
        """The event id."""
        return str(self.fields.get("eventId", ""))

    @property
    def type(self) -> str:
        """The event type."""
        return str(self.fields.get("eventType", ""))

    @property
    def source(self) -> str:
        """The service that published the event."""
        return str(self.fields.get("source", ""))

    @property
    def order_id(self) -> str:
        """The order of the event."""
        return str(self.fields.get("data", {}).get("orderId", ""))

    @property
    def key(self) -> str:
        """The key on which consumers deduplicate."""
        return f"{self.source}#{self.id}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a service's log; ``fields`` is empty if it is not JSON."""

    file: str
    text: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planted:
    """A message that must end in a dead-letter queue, and its expected reason."""

    service: str
    type: str  # expected failure type; empty: any
    reason: str  # text that the reason must contain
    body: str = ""  # of a malformed message
    number: int = 0  # of the planned order


@dataclass(frozen=True)
class Evidence:
    """Everything that the invariants are checked against."""

    planned: Mapping[int, SampleOrder]  # by number
    seeded: Mapping[str, int]  # initial stock by item
    history: Sequence[Op]
    tables: Mapping[str, Mapping[str, Row]]  # table -> key -> row
    queues: Sequence[QueueState]
    dead: Mapping[str, Sequence[DeadMessage]]  # by service
    audit: Sequence[Event]  # every delivery, in order
    log: Sequence[LogLine]
    consumes: Mapping[str, frozenset[str]]  # service -> types of event
    table_of: Mapping[str, str]  # service -> table
    planted: Sequence[Planted] = ()
    # Whether a delivery or a request may have been repeated. Then a dead letter may have copies,
    # because it is sent before its message is deleted.
    repeats: bool = True
    ordered: bool = False  # topic and queues are FIFO
    exits: Sequence[tuple[str, int]] = ()  # name of a process, exit code
    kills: Mapping[str, int] = field(default_factory=dict)  # kills by the runner, by process name
    leases: Sequence[ShardLease] = ()  # as seen during the run
    directory: str = ""  # of the logs

    def rows(self, table: str, prefix: str) -> dict[str, Row]:
        """Return the rows whose key starts with ``prefix``, by the rest of the key."""
        return {
            key.removeprefix(prefix): row
            for key, row in self.tables.get(table, {}).items()
            if key.startswith(prefix)
        }

    @cached_property
    def orders(self) -> dict[str, Row]:
        """The order documents, by order id."""
        return self.rows("orders", "order#")

    @cached_property
    def ledger(self) -> list[Row]:
        """The entries of the payment gateway's ledger."""
        return list(self.rows("payment", "ledger#").values())

    def number_of(self, order_id: str) -> int:
        """Return the number of the planned order; 0 if there is none."""
        email = str(self.orders.get(order_id, {}).get("customerEmail", ""))
        return self.by_email.get(email, 0)

    @cached_property
    def by_email(self) -> dict[str, int]:
        """The numbers of the planned orders, by email address."""
        return {order.email: number for number, order in self.planned.items()}

    @cached_property
    def poisoned(self) -> set[int]:
        """The numbers of the planned orders that end in a dead-letter queue."""
        return {planted.number for planted in self.planted if planted.number}


def read_tables(
    dynamodb: "DynamoDBClient", prefix: str, tables: Sequence[str]
) -> dict[str, dict[str, Row]]:
    """Read every row of every table."""
    return {table: dict(_rows(dynamodb, prefix + table)) for table in tables}


def _rows(dynamodb: "DynamoDBClient", table: str) -> Iterator[tuple[str, Row]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            row = to_document(item)
            if waiting := item.get(
                "outboxShard"
            ):  # an attribute of the row, so not in the document
                row["outboxShard"] = waiting["S"]
            yield item["pk"]["S"], row


def read_dead_letters(
    sqs: "SQSClient", settings: Settings, topology: Topology
) -> dict[str, list[DeadMessage]]:
    """Read every dead-letter queue."""
    return {
        service: look(sqs, names.dlq_url(sqs, settings, service), limit=MOST_DEAD)
        for service in topology.consumers
    }


def read_log(directory: Path) -> Iterator[LogLine]:
    """Read every log file in a directory."""
    for path in sorted(directory.glob("*.log")):
        for text in path.read_text("utf-8", "replace").splitlines():
            try:
                fields = orjson.loads(text)
            except ValueError:
                fields = {}
            yield LogLine(path.name, text, fields if isinstance(fields, dict) else {})


def money(value: object) -> Decimal:
    """Convert a stored amount."""
    return Decimal(str(value))
