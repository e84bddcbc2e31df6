"""Plans the orders of the demo, each with its expected end. The same seed plans the same orders."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from workers.samples import PRICES, Kind, SampleOrder

# Relative frequency of each kind, in addition to one order of each.
WEIGHTS: Final[dict[Kind, int]] = {
    "success": 70,
    "declined": 9,
    "out_of_stock": 9,
    "refused": 4,  # declined and out of stock: the second scenario
    "technical": 4,
    "cancelled": 4,  # at once, while services are processing it
    "refunded": 4,  # after it is confirmed, before it ships
}
MIN_ORDERS: Final = len(WEIGHTS)
SPARE_STOCK: Final = 5  # below the reorder threshold, so every item runs low


def plan(orders: int, seed: int) -> list[SampleOrder]:
    """Plan orders in random sequence, at least one of each kind."""
    rng = random.Random(seed)  # noqa: S311 - a demo, and repeatable on purpose
    kinds: list[Kind] = list(WEIGHTS)
    kinds += rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=orders - len(kinds))
    rng.shuffle(kinds)
    return [SampleOrder(number, kind, _items(rng)) for number, kind in enumerate(kinds, start=1)]


def stock_for(planned: Sequence[SampleOrder]) -> dict[str, int]:
    """Return the stock per item: enough for all orders, plus a little."""
    demand: Counter[str] = Counter(dict.fromkeys(PRICES, SPARE_STOCK))
    for order in planned:
        demand.update(dict(order.items))
    return dict(demand)


def _items(rng: random.Random) -> tuple[tuple[str, int], ...]:
    skus = rng.sample(list(PRICES), k=rng.choice((1, 1, 2)))
    return tuple((sku, rng.randint(1, 3)) for sku in skus)
