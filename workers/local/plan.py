"""What the demo orders, and how each order must end. The same seed plans the same orders."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "success", "declined", "out_of_stock", "refused", "technical", "cancelled", "refunded"
]

# How often each kind is planned, beside one of each.
WEIGHTS: Final[dict[Kind, int]] = {
    "success": 70,
    "declined": 9,
    "out_of_stock": 9,
    "refused": 4,  # declined and out of stock: the second scenario
    "technical": 4,
    "cancelled": 4,  # at once, while services are at work on it
    "refunded": 4,  # once it is confirmed, and before it ships
}
MIN_ORDERS: Final = len(WEIGHTS)
MAX_ORDERS: Final = 2_000  # the embedded AWS keeps everything in memory
PRICES: Final = {
    "LAPTOP-001": Decimal("850.00"),
    "MOUSE-002": Decimal("25.00"),
    "KEYBOARD-003": Decimal("79.90"),
    "MONITOR-004": Decimal("219.50"),
}
REORDER_THRESHOLD: Final = 10
SPARE_STOCK: Final = 5  # less than the threshold, so every article gets low


@dataclass(frozen=True)
class PlannedOrder:
    """One order of the demo."""

    number: int
    kind: Kind
    items: tuple[tuple[str, int], ...]  # sku, quantity

    @property
    def idempotency_key(self) -> str:
        """The key under which it is placed: a repeat after a crash is the same order."""
        return f"demo-{self.number}"

    @property
    def email(self) -> str:
        """The customer's address; a canary that no log may show."""
        return f"customer-{self.number}@example.com"

    @property
    def ends(self) -> str:
        """The state in which it must end."""
        return "confirmed" if self.kind in ("success", "technical") else "cancelled"

    @property
    def total(self) -> Decimal:
        """What it costs."""
        return sum((PRICES[sku] * quantity for sku, quantity in self.items), Decimal(0))

    def body(self) -> dict[str, Any]:
        """Give the request body for ``POST /orders``."""
        body: dict[str, Any] = {
            "customerEmail": self.email,
            "currency": "EUR",
            "items": [
                {"sku": sku, "quantity": quantity, "price": str(PRICES[sku])}
                for sku, quantity in self.items
            ],
        }
        if self.kind in ("declined", "refused"):
            body["paymentOutcome"] = "declined"
        if self.kind in ("out_of_stock", "refused"):
            body["inventoryOutcome"] = "out_of_stock"
        if self.kind == "technical":
            body["simulateTechnicalFailure"] = "payment"
        return body


def plan(orders: int, seed: int) -> list[PlannedOrder]:
    """Plan so many orders, at least one of each kind, in a shuffled sequence."""
    dice = random.Random(seed)  # noqa: S311 - a demo, and repeatable on purpose
    kinds: list[Kind] = list(WEIGHTS)
    kinds += dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=orders - len(kinds))
    dice.shuffle(kinds)
    return [PlannedOrder(number, kind, _items(dice)) for number, kind in enumerate(kinds, start=1)]


def stock_for(planned: Sequence[PlannedOrder]) -> dict[str, int]:
    """Say how much of each article to have: enough for all, then little more."""
    demand: Counter[str] = Counter(dict.fromkeys(PRICES, SPARE_STOCK))
    for order in planned:
        demand.update(dict(order.items))
    return dict(demand)


def _items(dice: random.Random) -> tuple[tuple[str, int], ...]:
    skus = dice.sample(list(PRICES), k=dice.choice((1, 1, 2)))
    return tuple((sku, dice.randint(1, 3)) for sku in skus)
