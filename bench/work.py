"""Draws how long each handler works; the same for every peer."""

import math
import random
from collections.abc import Callable, Sequence

Work = Callable[[int], Sequence[float]]  # number of messages -> seconds per handler
SEED = 7


def nothing(number: int) -> list[float]:
    """Return the work of handlers that return at once."""
    return [0.0] * number


def fifty_milliseconds(number: int) -> list[float]:
    """Return the work of handlers that wait 50 ms."""
    return [0.05] * number


def heavy_tailed(number: int) -> list[float]:
    """Return lognormal work, mean 50 ms and sigma 1.5: most is short, some takes seconds."""
    rng, sigma = random.Random(SEED), 1.5  # noqa: S311 - not for secrets
    drawn = [rng.lognormvariate(math.log(0.05) - sigma**2 / 2, sigma) for _ in range(number)]
    return [0.05 * each * number / sum(drawn) for each in drawn]


def three_timeouts(number: int) -> list[float]:
    """Return work of 4 to 8 s: on average three times a visibility timeout of 2 s."""
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    return [rng.uniform(4.0, 8.0) for _ in range(number)]
