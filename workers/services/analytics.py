"""Analytics: counts events and revenue per hour."""

import random
from collections.abc import Callable, Iterable
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
    OrderEvent,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from workers.runtime.handler import handles
from workers.runtime.ports import Document, Transaction

Number: TypeAlias = int | Decimal

# Each hour's counters are spread over this many rows, because all workers write to them and one
# DynamoDB row takes at most 1,000 writes per second, 500 in transactions:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 8


@dataclass(frozen=True)
class Analytics:
    """Counts each event in the hour in which it is handled."""

    now: Callable[[], datetime]
    choose: Callable[[int], int] = random.randrange

    @handles
    def count(
        self,
        event: OrderCreated
        | OrderConfirmed
        | OrderShipped
        | OrderCancelled
        | OrderRefunded
        | PaymentFailed
        | InventoryReserved
        | InventoryFailed
        | InventoryReleased
        | InventoryLow,
        tx: Transaction,
    ) -> None:
        """Count an event that does not change the revenue."""
        self._add(event, {}, tx)

    @handles
    def count_payment(self, payment: PaymentCompleted, tx: Transaction) -> None:
        """Count a payment and add its amount to the revenue."""
        self._add(payment, {_revenue(payment.currency): payment.amount}, tx)

    @handles
    def count_refund(self, refund: PaymentRefunded, tx: Transaction) -> None:
        """Count a refund and subtract its amount from the revenue."""
        self._add(refund, {_revenue(refund.currency): -refund.amount}, tx)

    def _add(self, event: OrderEvent, amounts: dict[str, object], tx: Transaction) -> None:
        key = _key(self.now(), self.choose(SHARDS))
        tx.add(key, {event.type: 1, **amounts})


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


def _revenue(currency: str) -> str:
    return f"revenue.{currency}"
