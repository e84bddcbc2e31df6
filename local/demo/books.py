"""What is in the stores: read as a whole, to show and to check."""

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

# Of one BatchGetItem.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_KEYS: Final = 100


@dataclass(frozen=True)
class Books:
    """One look at all tables; not a snapshot while services are at work."""

    orders: Mapping[str, Document]  # by order id
    stock: Mapping[str, Document]  # by sku
    ledger: tuple[Entry, ...]
    counters: Mapping[str, Number]  # events by type, revenue by currency
    unpublished: int  # rows of the outbox

    @property
    def states(self) -> Counter[str]:
        """Count orders by state."""
        return Counter(str(order["state"]) for order in self.orders.values())

    @property
    def takings(self) -> Decimal:
        """What the gateway took and did not give back."""
        sign = {"charge": 1, "refund": -1}
        return sum((entry.amount * sign.get(entry.kind, 0) for entry in self.ledger), Decimal(0))


def read_orders(dynamodb: "DynamoDBClient", settings: Settings) -> dict[str, Document]:
    """Read all order documents, by order id."""
    return _documents(dynamodb, settings.name_prefix + "orders", "order#")


def read_states(dynamodb: "DynamoDBClient", settings: Settings) -> dict[str, str]:
    """Read the state of every order, by order id, and nothing else."""
    orders = _items(dynamodb, settings.name_prefix + "orders", "order#", only="state")
    return {item["pk"]["S"].removeprefix("order#"): item["state"]["S"] for item in orders}


def read_states_of(
    dynamodb: "DynamoDBClient", settings: Settings, order_ids: Sequence[str]
) -> dict[str, str]:
    """Read the states of some orders, by order id, without a look at the others."""
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


def read(dynamodb: "DynamoDBClient", settings: Settings) -> Books:
    """Read everything."""
    prefix = settings.name_prefix
    return Books(
        orders=read_orders(dynamodb, settings),
        stock=_documents(dynamodb, prefix + "inventory", STOCK),
        ledger=tuple(SimulatedGateway(dynamodb, prefix + "payment").ledger()),
        counters=merge(_documents(dynamodb, prefix + "analytics", "hour#").values()),
        unpublished=count_unpublished(dynamodb, settings),
    )


def count_unpublished(dynamodb: "DynamoDBClient", settings: Settings) -> int:
    """Count the events of order-api that are not on the topic yet, those set aside included."""
    rows = _items(dynamodb, settings.name_prefix + "orders", "outbox#", only="outboxShard")
    return sum("outboxShard" in item for item in rows)


def outbox_body(dynamodb: "DynamoDBClient", settings: Settings, event_id: str) -> str:
    """Read the envelope of an event that order-api published, as it went over the wire."""
    item = dynamodb.get_item(
        TableName=settings.name_prefix + "orders",
        Key={"pk": {"S": f"outbox#{event_id}"}},
        ConsistentRead=True,
    )["Item"]
    return item["body"]["S"]


def seconds_to_end(order: Document) -> float:
    """Say how long it took from the order to its confirmation or cancellation (s)."""
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
    """Scan for keys with a prefix; ``only`` names the one field that is wanted."""
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
