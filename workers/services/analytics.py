"""Analytics: counts events and revenue per hour."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from workers.events import (
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from workers.runtime.handler import handles_batch
from workers.runtime.ports import Document, Transaction

Number: TypeAlias = int | Decimal

# Each hour's counters are spread over this many rows, because all workers write to them and one
# DynamoDB row takes at most 1,000 writes per second, 500 in transactions:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 8


Countable: TypeAlias = (
    OrderCreated
    | OrderConfirmed
    | OrderShipped
    | OrderCancelled
    | OrderRefunded
    | PaymentCompleted
    | PaymentFailed
    | PaymentRefunded
    | InventoryReserved
    | InventoryFailed
    | InventoryReleased
    | InventoryLow
)


@dataclass(frozen=True)
class Analytics:
    """Counts each event in the hour in which it is handled."""

    now: Callable[[], datetime]
    choose: Callable[[int], int] = random.randrange

    @handles_batch
    def count(self, events: Sequence[Countable], tx: Transaction) -> None:
        """Count events, and add what customers paid, less refunds, to the revenue."""
        key = _key(self.now(), self.choose(SHARDS))  # one row for all: a transaction pays by row
        for event in events:
            tx.add(key, {event.type: 1, **_revenue_of(event)})


def keys_of(hours: int, now: datetime) -> list[str]:
    """Return the keys of the counters of the last ``hours`` hours, including the current one."""
    return [
        _key(now - timedelta(hours=hour), shard) for hour in range(hours) for shard in range(SHARDS)
    ]


def merge(documents: Iterable[Document | None]) -> dict[str, Number]:
    """Sum counters: events by type, and ``revenue.<CUR>``. None stands for a missing row."""
    totals: dict[str, Number] = {}
    for document in documents:
        for name, value in (document or {}).items():
            if isinstance(value, int | Decimal):
                totals[name] = totals.get(name, 0) + value
    return totals


def _key(time: datetime, shard: int) -> str:
    return f"hour#{time.astimezone(UTC):%Y-%m-%dT%H}#{shard}"


def _revenue_of(event: Countable) -> dict[str, object]:
    match event:
        case PaymentCompleted():
            return {f"revenue.{event.currency}": event.amount}
        case PaymentRefunded():
            return {f"revenue.{event.currency}": -event.amount}
        case _:
            return {}
