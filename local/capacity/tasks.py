"""Simulates the tasks of a service on Fargate: starts, stops, Spot, and the policy that scales."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from local.capacity.engine import Simulation
from local.capacity.scaling import GRADUAL, LOW, PERIOD

# Launches of an account per second, and at once; the same again for Spot.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html
LAUNCH_RATE: Final = 20
LAUNCH_BURST: Final = 100


@dataclass(frozen=True)
class Assumptions:
    """The times that AWS does not promise (s), and how often it takes Spot tasks back."""

    start: tuple[float, float] = (30, 60)  # from the launch of a task to its first poll
    publication: tuple[float, float] = (60, 120)  # from the end of a minute to its datapoint
    interruptions: float = 0.05  # per Spot task and hour
    gradual: float = GRADUAL  # the share of tasks that scaling in removes at most


class Policy(Protocol):
    """Decides the desired number of tasks."""

    def desired(
        self, now: float, datapoints: list[float | None], current: int, running: int, /
    ) -> int:
        """Return the desired number, given the datapoints that are published."""


@dataclass
class Launches:
    """The token bucket for launches of an account, one for on-demand tasks and one for Spot."""

    rate: float = LAUNCH_RATE
    burst: int = LAUNCH_BURST
    _next: float = -math.inf

    def delay(self, now: float) -> float:
        """Take a launch and return how long (s) it has to wait."""
        self._next = max(self._next, now - (self.burst - 1) / self.rate)
        delay = max(0.0, self._next - now)
        self._next += 1 / self.rate
        return delay


@dataclass
class Account:
    """The state that the services of an account share."""

    on_demand: Launches = field(default_factory=Launches)
    spot: Launches = field(default_factory=Launches)


@dataclass
class Tasks:
    """The tasks of one service. ``changed`` is called with the number that runs."""

    simulation: Simulation
    account: Account
    assumptions: Assumptions
    spot_share: float  # 0 to 1, not counting the first task
    changed: Callable[[int], None]
    desired: int = 0
    running: int = 0
    running_spot: int = 0
    starting: int = 0
    starting_spot: int = 0
    launched: int = 0
    interrupted: int = 0
    seconds: float = 0.0  # that tasks existed; they are billed from the launch
    _cancelled: list[int] = field(default_factory=lambda: [0, 0])  # on demand, Spot
    _accrued: float = 0.0

    def begin(self, desired: int) -> None:
        """Let ``desired`` tasks run from the start."""
        self.desired = self.running = desired
        self.running_spot = self._spot_of(desired)
        self.changed(self.running)

    def want(self, desired: int) -> None:
        """Launch or stop tasks until there are ``desired``."""
        self.desired = desired
        while self.running + self.starting < desired:
            self._launch()
        while self.running + self.starting > desired:
            self._remove()
        self.changed(self.running)

    def interrupt(self, tasks: int) -> None:
        """Let AWS take back Spot tasks: they finish what they have, and others are launched."""
        self.accrue()
        taken = min(tasks, self.running_spot)
        self.running -= taken
        self.running_spot -= taken
        self.interrupted += taken
        self.want(self.desired)

    def chance_of_interruption(self) -> None:
        """Draw the interruptions of a minute."""
        likely = self.assumptions.interruptions * PERIOD / 3600
        chance = self.simulation.random
        self.interrupt(sum(chance.random() < likely for _ in range(self.running_spot)))

    def accrue(self) -> None:
        """Add the time since the last change to ``seconds``."""
        now = self.simulation.now
        self.seconds += (self.running + self.starting) * (now - self._accrued)
        self._accrued = now

    def _spot_of(self, tasks: int) -> int:
        return math.floor(max(0, tasks - 1) * self.spot_share)

    def _launch(self) -> None:
        self.accrue()
        total = self.running + self.starting + 1
        spot = self.running_spot + self.starting_spot < self._spot_of(total)
        self.starting += 1
        self.starting_spot += spot
        self.launched += 1
        delay = (self.account.spot if spot else self.account.on_demand).delay(self.simulation.now)
        delay += self.simulation.random.uniform(*self.assumptions.start)
        self.simulation.after(delay, lambda: self._ready(spot=spot))

    def _ready(self, *, spot: bool) -> None:
        if self._cancelled[spot]:
            self._cancelled[spot] -= 1
            return
        self.accrue()
        self.starting -= 1
        self.starting_spot -= spot
        self.running += 1
        self.running_spot += spot
        self.changed(self.running)

    def _remove(self) -> None:
        """Stop a task, one that is starting if possible, of the kind that there are too many of."""
        self.accrue()
        total = self.running + self.starting - 1
        spot = self.running_spot + self.starting_spot > self._spot_of(total)
        starting = self.starting_spot if spot else self.starting - self.starting_spot
        if starting:
            self._cancelled[spot] += 1
            self.starting -= 1
            self.starting_spot -= spot
        else:
            self.running -= 1
            self.running_spot -= spot


@dataclass
class Scaler:
    """Measures a service every minute and applies its policy to what is published by then."""

    simulation: Simulation
    tasks: Tasks
    policy: Policy
    measure: Callable[[], float | None]
    _published: list[float | None] = field(default_factory=list)
    _late: deque[float | None] = field(default_factory=deque)

    def begin(self) -> None:
        """Start measuring, and evaluating at another moment of the minute."""
        chance = self.simulation.random
        self.simulation.every(PERIOD, self._sample, first=PERIOD)
        self.simulation.every(PERIOD, self._evaluate, first=PERIOD + chance.uniform(0, PERIOD))

    def _sample(self) -> None:
        """Publish the datapoint of the minute, after those before it."""
        self._late.append(self.measure())
        delay = self.simulation.random.uniform(*self.tasks.assumptions.publication)
        self.simulation.after(delay, self._publish)

    def _publish(self) -> None:
        self._published = [*self._published[-LOW:], self._late.popleft()]

    def _evaluate(self) -> None:
        tasks = self.tasks
        wanted = self.policy.desired(
            self.simulation.now, self._published, tasks.desired, tasks.running
        )
        if wanted != tasks.desired:
            tasks.want(wanted)
