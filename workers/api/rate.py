"""Limits the requests of each caller to a number per minute, for all tasks together.

Tasks count in rows that they share. A task takes several requests from the count at once, so that
most requests cost no write: ten, or fewer the nearer the caller is to the limit. A caller never
gets more than the limit; what a task took and its caller did not use by the end of a minute is
lost, about a tenth at most of what was left when the task took it.

Minutes are those of the clock, so a caller may send twice the limit around the change of a minute.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from threading import Lock
from typing import Final, Protocol

from starlette.requests import Request

from workers.api.problems import Refused
from workers.runtime.errors import Unavailable

WINDOW: Final = 60  # s
LARGEST_SHARE: Final = 10  # requests that one write counts
# After a count that did not answer, requests pass uncounted for this long: none is refused because
# DynamoDB is down, and none waits for it twice.
BLIND: Final = 5.0  # s


class Counts(Protocol):
    """The counts of requests that all tasks share."""

    def add(self, caller: str, window: int, requests: int) -> int:
        """Count requests of a caller in a window of ``WINDOW`` s; return the sum so far.

        Raises ``Unavailable``.
        """


@dataclass
class _Budget:
    """The requests that this task may still serve for a caller, in one window."""

    left: int = 0
    counted: int = 0  # by all tasks, when this one last asked
    lock: Lock = field(default_factory=Lock)  # one count at a time


class RateLimit:
    """Admits up to ``per_minute`` requests of a caller. Thread-safe."""

    def __init__(
        self, counts: Counts, per_minute: int, *, now: Callable[[], float] = time.time
    ) -> None:
        self._counts = counts
        self._limit = per_minute
        self._now = now
        self._window = 0
        self._budgets: dict[str, _Budget] = {}  # by caller, of this window only
        self._blind_until = 0.0
        self._lock = Lock()

    def admit(self, request: Request) -> None:
        """Count a request. Raises ``Refused`` (429) if its caller has reached the limit.

        A request without a known caller is not limited.
        """
        subject = getattr(getattr(request.state, "caller", None), "subject", "")
        if subject and not self.allows(subject):
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"More than {self._limit} requests within a minute",
                kind="too-many-requests",
                retry_after=math.ceil(WINDOW - self._now() % WINDOW),
            )

    def allows(self, subject: str) -> bool:
        """Count a request of a caller; return whether it is within the limit."""
        # The row shall not name the caller: a subject may be an email address.
        caller = sha256(subject.encode()).hexdigest()[:32]
        window, budget = self._budget(caller)
        with budget.lock:
            if budget.left == 0 and budget.counted < self._limit:
                if 0 < self._blind_until - self._now() <= BLIND:  # a clock may be set back
                    return True
                share = share_of(self._limit, budget.counted)
                try:
                    budget.counted = self._counts.add(caller, window, share)
                except Unavailable:
                    self._blind_until = self._now() + BLIND
                    return True
                budget.left = granted(self._limit, budget.counted, share)
            if budget.left == 0:
                return False
            budget.left -= 1
            return True

    def _budget(self, caller: str) -> tuple[int, _Budget]:
        with self._lock:
            window = int(self._now() // WINDOW)
            if window != self._window:
                self._window = window
                self._budgets.clear()
            return window, self._budgets.setdefault(caller, _Budget())


def share_of(limit: int, counted: int) -> int:
    """Return how many requests a task takes from the count at once."""
    return max(1, min(LARGEST_SHARE, (limit - counted) // 10))


def granted(limit: int, counted: int, share: int) -> int:
    """Return how many requests of a share are within the limit, once ``counted`` includes it."""
    return max(0, min(share, limit - (counted - share)))
