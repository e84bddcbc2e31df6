"""Flow control: a worker receives only messages that can start almost at once.

A poller takes permits before it polls and returns those it did not need. There are as many permits
as handler slots, plus a read-ahead: the number of messages that will start within
``READ_AHEAD_SECONDS`` at the measured rate, at most ``READ_AHEAD``, and none for slow handlers. The
lease table keeps waiting messages invisible, so a message read ahead does not expire.
"""

import math
import time
from collections.abc import Callable
from threading import Condition
from typing import Final

from workers.limits import MAX_BATCH

MAX_POLLERS: Final = 4
READ_AHEAD_SECONDS: Final = 0.25
# Messages: one batch to start from while a poll fetches the next.
READ_AHEAD: Final = 2 * MAX_BATCH
# A poll with few free slots would fetch a message or two; wait this long (s) for more slots.
PATIENCE: Final = 0.1
_SMOOTHING: Final = 0.1


class Permits:
    """Decides when to poll, and for how many messages."""

    def __init__(
        self,
        concurrency: int,
        *,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[Condition, float | None], object] = Condition.wait,
    ) -> None:
        """``rest`` waits on a condition, up to a number of seconds; None waits for a change."""
        self.concurrency = concurrency
        self.pollers = min(MAX_POLLERS, math.ceil(concurrency / MAX_BATCH))
        self.mean_duration: float | None = None  # s in a handler, smoothed
        self.read_ahead = 0  # messages that may wait for a slot
        self._worthwhile = min(MAX_BATCH, math.ceil(concurrency / 4))  # free permits for a poll
        self._now = now
        self._rest = rest
        self._held = 0
        self._requested = 0  # by open polls, of those held
        self._full_polls = 0  # in a row, at once; as many pollers may poll, but always one
        self._paused: set[str] = set()
        self._stopped = False
        self._changed = Condition()

    @property
    def held(self) -> int:
        """Permits taken: messages being requested, waiting or handled."""
        return self._held

    @property
    def in_use(self) -> int:
        """Permits of messages that were received: those that open polls hold are left out."""
        return max(0, self._held - self._requested)

    @property
    def paused(self) -> frozenset[str]:
        """The reasons for which polling is paused."""
        return frozenset(self._paused)

    def take(self, poller: int = 0) -> int:
        """Wait until a poll is worthwhile and take 1 to 10 permits; 0 means stop."""
        patient_until: float | None = None
        with self._changed:
            while not self._stopped:
                free = self._free(poller)
                if free > 0 and patient_until is None:
                    patient_until = self._now() + PATIENCE
                remaining = (patient_until or 0.0) - self._now()
                if free > 0 and (free >= self._worthwhile or remaining <= 0):
                    taken = min(MAX_BATCH, free)
                    self._held += taken
                    self._requested += taken
                    return taken
                if free <= 0:
                    patient_until = None
                self._rest(self._changed, remaining if free > 0 else None)
            return 0

    def received(self, taken: int, count: int) -> None:
        """Return the permits that a poll did not use, and adapt the number of pollers."""
        with self._changed:
            self._held -= taken - count
            self._requested -= taken
            if count == MAX_BATCH:
                self._full_polls += 1
            elif count < taken:  # the queue is empty: a second poller would halve the batches
                self._full_polls = 0
            self._changed.notify_all()

    def lingered(self) -> None:
        """Note that a poller paused: full polls after a pause do not show a backlog."""
        with self._changed:
            self._full_polls = 0

    def finished(self, duration: float | None, *, passed_on: bool = False) -> None:
        """Return the permit of a message; ``duration`` (s) is that of its handler, if it ran.

        ``passed_on``: the next message of its group has the permit now.
        """
        with self._changed:
            before = self._use()
            if not passed_on:
                self._held -= 1
            if duration is not None:
                self._learn(duration)
            if self._use() > before:
                self._changed.notify_all()

    def pause(self, reason: str) -> None:
        """Pause polling for ``reason``; messages in flight continue."""
        with self._changed:
            self._paused.add(reason)

    def resume(self, reason: str) -> None:
        """Remove a reason to pause."""
        with self._changed:
            self._paused.discard(reason)
            self._changed.notify_all()

    def stop(self) -> None:
        """End every poller."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _free(self, poller: int = 0) -> int:
        if self._paused or poller > max(0, self._full_polls - 1):
            return 0
        return self.concurrency + self.read_ahead - self._held

    def _learn(self, duration: float) -> None:
        """Size the read-ahead by the rate at which handlers become free."""
        mean = self.mean_duration
        mean = duration if mean is None else mean + _SMOOTHING * (duration - mean)
        self.mean_duration = mean
        starts_soon = READ_AHEAD_SECONDS * self.concurrency / max(mean, 1e-6)
        self.read_ahead = min(READ_AHEAD, int(starts_soon))
        # A full read-ahead keeps the slots busy: a poll can wait until it fetches ten.
        self._worthwhile = (
            MAX_BATCH
            if self.read_ahead >= MAX_BATCH
            else min(MAX_BATCH, math.ceil(self.concurrency / 4))
        )

    def _use(self) -> int:
        """Grade a poll now: 0 impossible, 1 after some patience, 2 at once.

        Pollers wait for the grade to rise. All of them are woken: a poller with nothing to do must
        not consume the wake-up of another.
        """
        free = self._free()
        return 0 if free <= 0 else 2 if free >= self._worthwhile else 1
