"""Circuit breakers: while a dependency does not answer, the worker receives no messages.

Consecutive failures of one dependency open its breaker, and polling pauses. The messages that
failed stay in this worker, their leases renewed, and take turns to probe the dependency. Those
that waited too long go back to the queue. When no message is left to probe, polling resumes.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import Condition
from typing import Final

import structlog

from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits

THRESHOLD: Final = 5  # consecutive failures
FIRST_PAUSE: Final = 1.0  # s until the first probe
LONGEST_PAUSE: Final = 30.0  # s between probes
_GLANCE: Final = 1.0  # s between two checks of a waiting message on its own lease

log = structlog.get_logger()


class State(Enum):
    """Closed lets work through, open does not, probing lets one message try."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@dataclass(slots=True)
class Breaker:
    """The state of one dependency. Pure: the caller passes the time."""

    state: State = State.CLOSED
    failures: int = 0
    pause: float = FIRST_PAUSE
    probe_at: float = 0.0
    waiting: int = 0  # messages held until the dependency answers

    def takes_turn(self, now: float) -> bool:
        """Return True to the one message that may probe, once the pause is over."""
        if self.state is not State.OPEN or now < self.probe_at:
            return False
        self.state = State.PROBING
        return True

    def next_look(self, now: float) -> float:
        """Return the seconds until a waiting message looks again, if nothing wakes it."""
        if self.state is not State.OPEN:
            return _GLANCE
        return min(_GLANCE, max(0.01, self.probe_at - now))

    def failed(self, now: float, *, jitter: float) -> None:
        """Note a failure; ``jitter`` in [0, 1] spreads the probes of many workers."""
        self.failures += 1
        if self.state is State.OPEN:
            return
        if self.state is State.PROBING:
            self.pause = min(LONGEST_PAUSE, self.pause * 2)
        if self.state is State.PROBING or self.failures >= THRESHOLD:
            self.state = State.OPEN
            self.probe_at = now + self.pause * (0.5 + jitter / 2)

    def close(self) -> None:
        """Reset: the dependency answered."""
        self.state, self.failures, self.pause = State.CLOSED, 0, FIRST_PAUSE


class Breakers:
    """The breakers of one worker, one per dependency."""

    def __init__(
        self,
        permits: Permits,
        *,
        telemetry: Telemetry,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        rest: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        """``rest`` waits on a condition for at most so many seconds; tests replace it."""
        self._permits = permits
        self._telemetry = telemetry
        self._now = now
        self._jitter = jitter
        self._rest = rest
        self._breakers: dict[str, Breaker] = {}
        self._failing = False
        self.stopped = False
        self._changed = Condition()

    def open(self) -> list[str]:
        """List the dependencies whose breakers are not closed."""
        with self._changed:
            return [d for d, b in self._breakers.items() if b.state is not State.CLOSED]

    def succeeded(self, probing: str | None = None) -> None:
        """Note that a message succeeded; ``probing`` is the dependency it probed, if any."""
        if not self._failing:
            return
        with self._changed:
            for dependency, breaker in self._breakers.items():
                if breaker.state is State.CLOSED:
                    breaker.failures = 0
                elif dependency == probing:
                    self._close(dependency, breaker)
            self._failing = any(b.state is not State.CLOSED for b in self._breakers.values())

    def failed(self, dependency: str, reason: str) -> bool:
        """Note a failed call to a dependency; True if its breaker is open now."""
        with self._changed:
            self._failing = True
            breaker = self._breakers.setdefault(dependency, Breaker())
            before = breaker.state
            breaker.failed(self._now(), jitter=self._jitter())
            if before is State.CLOSED and breaker.state is State.OPEN:
                self._permits.pause(f"breaker:{dependency}")
                self._telemetry.breaker_open(dependency).set(1)
                log.error("breaker.opened", dependency=dependency, reason=reason)
            self._changed.notify_all()
            return breaker.state is not State.CLOSED

    def wait(self, dependency: str, lost: Callable[[], bool], seconds: float = math.inf) -> bool:
        """Hold a message until its turn: True to try again (alone, if the breaker is open).

        False when the worker stops, when ``seconds`` have passed, or when ``lost``, called about
        once a second, returns True. After True the caller must call ``failed``, ``succeeded`` or
        ``abandon``.
        """
        with self._changed:
            until = self._now() + seconds
            breaker = self._breakers[dependency]
            breaker.waiting += 1
            try:
                while not (self.stopped or lost() or self._now() > until):
                    if breaker.state is State.CLOSED or breaker.takes_turn(self._now()):
                        return True
                    self._rest(self._changed, breaker.next_look(self._now()))
                return False
            finally:
                breaker.waiting -= 1
                if breaker.waiting == 0 and breaker.state is State.OPEN:
                    self._half_close(dependency, breaker)

    def pause(self, seconds: float, lost: Callable[[], bool], left: float) -> bool:
        """Hold a message for ``seconds`` while the breaker is closed; False as for ``wait``.

        Also False, at once, if fewer than ``seconds`` are ``left``.
        """
        with self._changed:
            until = self._now() + seconds
            while not (self.stopped or lost() or seconds > left):
                remaining = until - self._now()
                if remaining <= 0:
                    return True
                self._rest(self._changed, min(_GLANCE, remaining))
            return False

    def abandon(self, probing: str | None) -> None:
        """Give up a probe, if there was one, that showed nothing about its dependency."""
        with self._changed:
            breaker = self._breakers.get(probing or "")
            if breaker is not None and breaker.state is State.PROBING:
                self._half_close(probing or "", breaker)

    def stop(self) -> None:
        """Release every waiting message."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def _half_close(self, dependency: str, breaker: Breaker) -> None:
        """No message is left to probe: polling resumes, and one more failure reopens."""
        self._close(dependency, breaker)
        breaker.failures = THRESHOLD - 1
        self._failing = True

    def _close(self, dependency: str, breaker: Breaker) -> None:
        breaker.close()
        self._permits.resume(f"breaker:{dependency}")
        self._telemetry.breaker_open(dependency).set(0)
        log.info("breaker.closed", dependency=dependency)
        self._changed.notify_all()
