"""Schedules process faults by the number of orders placed. One seed, one schedule."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local.chaos import faults
from workers.runtime.crash import POINTS, VARIABLE

CLOCKS: Final = (-600, 0, 600)  # s
LATEST_PASS: Final = (
    20  # a process crashes when it passes its crash point for the n-th time, up to this
)
_PREFIXES: Final = {"order-api": "api.", "relay": "relay."}


@dataclass(frozen=True, slots=True)
class Action:
    """A fault that is due after ``due`` orders have been placed."""

    due: int
    fault: str
    service: str  # empty: all services


def schedule(
    asked: Sequence[str],
    *,
    orders: int,
    seed: int,
    services: Sequence[str],
    consumers: Sequence[str],
) -> list[Action]:
    """Spread the faults over the run, in the order in which they are due."""
    rng = random.Random(f"{seed}-schedule")  # noqa: S311 - repeatable on purpose
    actions = []
    for fault in ("kill", "stop", "partition", "deploy"):
        times = faults.count(fault, orders) if fault in asked else 0
        for number in range(times):
            due = round((number + rng.random()) * orders / times)
            service = {"kill": rng.choice(services), "stop": rng.choice(consumers)}.get(fault, "")
            actions.append(Action(min(due, orders - 1), fault, service))
    return sorted(actions, key=lambda action: action.due)


class Lives:
    """Chooses additions to the environment of each life of a process; a restart is a new life.

    Lives end at a crash point as long as planned crashes are left and ``calm`` is False.
    """

    def __init__(
        self, seed: int, *, asked: Sequence[str], orders: int, endpoints: Mapping[str, str]
    ) -> None:
        """``endpoints``: AWS endpoints by process name, for processes behind a proxy."""
        self._seed = seed
        self._endpoints = endpoints
        self._clock = "clock" in asked
        self._crashes = faults.count("crash", orders) if "crash" in asked else 0
        self.calm = False

    def __call__(self, name: str, life: int) -> Mapping[str, str]:
        """Return the additions to the environment of the n-th life of a process."""
        service = name.rpartition("-")[0]
        own: dict[str, str] = {}
        if self._clock:
            rng = random.Random(f"{self._seed}-{name}")  # noqa: S311 - repeatable on purpose
            own["CHAOS_CLOCK"] = str(rng.choice(CLOCKS))
        if name in self._endpoints:
            own["AWS_ENDPOINT_URL"] = self._endpoints[name]
        if not self.calm and self._crashes > 0:
            self._crashes -= 1
            own[VARIABLE] = self._crash(service, f"{self._seed}-{name}-{life}")
        return own

    def _crash(self, service: str, seed: str) -> str:
        rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        prefix = _PREFIXES.get(service)
        points = [p for p in POINTS if (p.startswith(prefix) if prefix else "." not in p)]
        return f"{rng.choice(points)}@{rng.randint(1, LATEST_PASS)}"
