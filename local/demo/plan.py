"""What the demo orders, and how each order must end. The same seed plans the same orders."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from workers.samples import PRICES, Kind, SampleOrder

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
SPARE_STOCK: Final = 5  # less than the threshold, so every article gets low


def plan(orders: int, seed: int) -> list[SampleOrder]:
    """Plan so many orders, at least one of each kind, in a shuffled sequence."""
    dice = random.Random(seed)  # noqa: S311 - a demo, and repeatable on purpose
    kinds: list[Kind] = list(WEIGHTS)
    kinds += dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=orders - len(kinds))
    dice.shuffle(kinds)
    return [SampleOrder(number, kind, _items(dice)) for number, kind in enumerate(kinds, start=1)]


def stock_for(planned: Sequence[SampleOrder]) -> dict[str, int]:
    """Say how much of each article to have: enough for all, then little more."""
    demand: Counter[str] = Counter(dict.fromkeys(PRICES, SPARE_STOCK))
    for order in planned:
        demand.update(dict(order.items))
    return dict(demand)


def _items(dice: random.Random) -> tuple[tuple[str, int], ...]:
    skus = dice.sample(list(PRICES), k=dice.choice((1, 1, 2)))
    return tuple((sku, dice.randint(1, 3)) for sku in skus)
