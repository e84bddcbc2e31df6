"""A discrete-event simulation of queues and their handler slots. No side effects.

Messages move in groups: one message per group is exact, larger groups make high rates affordable.
A group takes as many slots as it has messages. Its duration is the mean of that many durations, so
throughput and utilisation do not depend on the size of the groups.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

Part = tuple[float, int]  # the time of arrival (s), and the messages of a group that arrived then


class Simulation:
    """The clock, the events to come, and the only source of chance."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0  # s
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._turn = count()

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Run ``action`` in ``delay`` s; actions of the same moment run in the order of calls."""
        self.at(self.now + delay, action)

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Run ``action`` at a time (s)."""
        heapq.heappush(self._events, (time, next(self._turn), action))

    def every(self, period: float, action: Callable[[], None], *, first: float) -> None:
        """Run ``action`` every ``period`` s, the first time after ``first`` s."""

        def again() -> None:
            self.after(period, again)
            action()

        self.after(first, again)

    def run(self, until: float = math.inf) -> None:
        """Run events until a time (s), or until none is left."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        if self._events:
            self.now = until


@dataclass(frozen=True)
class Durations:
    """Gamma-distributed handler durations. ``variation`` 0 is constant, 1 exponential."""

    mean: float  # s
    variation: float = 1.0  # standard deviation / mean

    def of(self, messages: int, chance: random.Random) -> float:
        """Draw the mean duration (s) of a number of messages."""
        if not self.variation:
            return self.mean
        shape = messages / self.variation**2
        return chance.gammavariate(shape, self.mean / shape)


@dataclass
class Station:
    """A queue and the slots of its tasks. Oldest messages first.

    With a ``step`` (s), which is then the resolution of ages, groups end together, at multiples of
    it. Each is moved to the multiple before or after its end by chance, so that the mean duration
    stays what it is.
    """

    simulation: Simulation
    durations: Durations
    slots: int = 0
    passed_on: Callable[[int], None] = lambda _: None  # called with the messages just handled
    step: float = 0.0
    visible: int = 0
    busy: int = 0  # slots in use; above ``slots`` while removed tasks finish their messages
    arrived: int = 0
    handled: int = 0
    area: float = 0.0  # message-seconds in the system
    ages: Counter[float] = field(default_factory=Counter)  # s -> messages handled at that age
    _waiting: deque[Part] = field(default_factory=deque)
    _ends: dict[float, list[Part]] = field(default_factory=dict)
    _changed: float = 0.0

    def arrive(self, messages: int) -> None:
        """Add messages that were just sent."""
        self._accrue()
        now = self.simulation.now
        if self._waiting and now - self._waiting[-1][0] < self.step:
            at, others = self._waiting.pop()
            self._waiting.append((at, others + messages))
        else:
            self._waiting.append((now, messages))
        self.visible += messages
        self.arrived += messages
        self._start()

    def resize(self, slots: int) -> None:
        """Change the number of slots. Messages in progress finish in any case."""
        self.slots = slots
        self._start()

    def _start(self) -> None:
        """Fill the free slots, as one group."""
        free = min(self.slots - self.busy, self.visible)
        if free <= 0:
            return
        parts, left = [], free
        while left:
            at, messages = self._waiting.popleft()
            taken = min(messages, left)
            parts.append((at, taken))
            left -= taken
            if taken < messages:
                self._waiting.appendleft((at, messages - taken))
        self.visible -= free
        self.busy += free
        end = self._aligned(self.durations.of(free, self.simulation.random))
        if end in self._ends:
            self._ends[end] += parts
        else:
            self._ends[end] = parts
            self.simulation.at(end, lambda: self._end(end))

    def _aligned(self, duration: float) -> float:
        now = self.simulation.now
        if not self.step:
            return now + duration
        before = math.floor((now + duration) / self.step)
        after = (before + 1) * self.step
        early = max(now, before * self.step)
        late = (now + duration - early) / (after - early)
        return after if self.simulation.random.random() < late else early

    def _end(self, end: float) -> None:
        self._accrue()
        parts = self._ends.pop(end)
        messages = sum(count for _, count in parts)
        self.busy -= messages
        self.handled += messages
        for at, part in parts:
            self.ages[round(end - at, 1)] += part
        self.passed_on(messages)
        self._start()

    def _accrue(self) -> None:
        now = self.simulation.now
        self.area += (self.visible + self.busy) * (now - self._changed)
        self._changed = now

    def percentile(self, share: float) -> float:
        """Return the age (s) that ``share`` of the messages do not exceed when they are handled.

        0 if none was handled.
        """
        rest = share * self.handled
        for age in sorted(self.ages):
            rest -= self.ages[age]
            if rest <= 0:
                return age
        return 0.0
