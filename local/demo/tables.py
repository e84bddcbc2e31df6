"""Reads the tables of all services, to show and to check them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.aws.items import to_document
from workers.aws.simulated_gateway import Entry, SimulatedGateway
from workers.runtime.ports import Document
from workers.services.analytics import Number, merge
from workers.services.stock import PREFIX as STOCK
from workers.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Keys per BatchGetItem.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_KEYS: Final = 100


@dataclass(frozen=True)
class Snapshot:
    """The contents of all tables. It is not consistent while services are working."""

    orders: Mapping[str, Document]  # by order id
    stock: Mapping[str, Document]  # by sku
    ledger: tuple[Entry, ...]
    counters: Mapping[str, Number]  # events by type, revenue by currency
    unpublished: int  # events in the outbox

    @property
    def states(self) -> Counter[str]:
        """The number of orders by state."""
        return Counter(str(order["state"]) for order in self.orders.values())

    @property
    def revenue(self) -> Decimal:
        """The charges of the payment gateway minus its refunds."""
        sign = {"charge": 1, "refund": -1}
        return sum((entry.amount * sign.get(entry.kind, 0) for entry in self.ledger), Decimal(0))


def read_orders(dynamodb: "DynamoDBClient", settings: Settings) -> dict[str, Document]:
    """Read all order documents, by order id."""
    return _documents(dynamodb, settings.name_prefix + "orders", "order#")


def read_states(dynamodb: "DynamoDBClient", settings: Settings) -> dict[str, str]:
    """Read only the state of every order, by order id."""
    orders = _items(dynamodb, settings.name_prefix + "orders", "order#", only="state")
    return {item["pk"]["S"].removeprefix("order#"): item["state"]["S"] for item in orders}


def read_states_of(
    dynamodb: "DynamoDBClient", settings: Settings, order_ids: Sequence[str]
) -> dict[str, str]:
    """Read the states of the given orders, by order id, without a scan."""
    table = settings.name_prefix + "orders"
    states: dict[str, str] = {}
    for start in range(0, len(order_ids), _KEYS):
        keys = [{"pk": {"S": f"order#{each}"}} for each in order_ids[start : start + _KEYS]]
        request: Any = {
            "Keys": keys,
            "ConsistentRead": True,
            "ProjectionExpression": "pk, #state",
            "ExpressionAttributeNames": {"#state": "state"},
        }
        missing = {table: request}
        while missing:
            answer = dynamodb.batch_get_item(RequestItems=missing)
            for item in answer["Responses"].get(table, []):
                states[str(item["pk"]["S"]).removeprefix("order#")] = str(item["state"]["S"])
            missing = answer["UnprocessedKeys"]
    return states


def read(dynamodb: "DynamoDBClient", settings: Settings) -> Snapshot:
    """Read all tables."""
    prefix = settings.name_prefix
    return Snapshot(
        orders=read_orders(dynamodb, settings),
        stock=_documents(dynamodb, prefix + "inventory", STOCK),
        ledger=tuple(SimulatedGateway(dynamodb, prefix + "payment").ledger()),
        counters=merge(_documents(dynamodb, prefix + "analytics", "hour#").values()),
        unpublished=count_unpublished(dynamodb, settings),
    )


def count_unpublished(dynamodb: "DynamoDBClient", settings: Settings) -> int:
    """Count the unpublished events of order-api, including those set aside."""
    rows = _items(dynamodb, settings.name_prefix + "orders", "outbox#", only="outboxShard")
    return sum("outboxShard" in item for item in rows)


def outbox_body(dynamodb: "DynamoDBClient", settings: Settings, event_id: str) -> str:
    """Read the envelope of an event of order-api, exactly as it was published."""
    item = dynamodb.get_item(
        TableName=settings.name_prefix + "orders",
        Key={"pk": {"S": f"outbox#{event_id}"}},
        ConsistentRead=True,
    )["Item"]
    return item["body"]["S"]


def seconds_to_end(order: Document) -> float:
    """Return the time from placing to confirmation or cancellation (s); 0.0 if still pending."""
    history: Any = order["history"]
    started = datetime.fromisoformat(str(order["createdAt"]))
    ended = [e["at"] for e in history if e["eventType"] in ("order.confirmed", "order.cancelled")]
    return (datetime.fromisoformat(ended[0]) - started).total_seconds() if ended else 0.0


def _documents(dynamodb: "DynamoDBClient", table: str, prefix: str) -> dict[str, Document]:
    return {
        item["pk"]["S"].removeprefix(prefix): to_document(item)
        for item in _items(dynamodb, table, prefix)
    }


def _items(
    dynamodb: "DynamoDBClient", table: str, prefix: str, *, only: str | None = None
) -> Iterator[Any]:
    """Scan for keys with a prefix; ``only`` limits the result to one field."""
    projection: dict[str, Any] = {}
    if only:
        projection = {
            "ProjectionExpression": "pk, #only",
            "ExpressionAttributeNames": {"#only": only},
        }
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression="begins_with(pk, :prefix)",
        ExpressionAttributeValues={":prefix": {"S": prefix}},
        **projection,
    )
    for page in pages:
        yield from page["Items"]
