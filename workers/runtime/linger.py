"""The pause after a poll, so that the next one fetches nearly ten messages: fewer requests.

A pause pays only if messages arrive fast enough. At the measured rate of arrivals, it lasts until
``SHARE`` of what the poll takes has arrived. After a full poll it is shorter: more than the poll
could take had arrived. It is left out where even the longest pause would not
fill half a poll (one message a minute, or forty workers that share a quiet queue), and where polls
are full (a backlog).
"""

import time
from collections.abc import Callable
from typing import Final

SHARE: Final = 0.9  # of the messages that a poll takes
# Messages that a full poll leaves behind, on average, if it was to fetch ``SHARE`` of ten and they
# arrive at random: the mean of a Poisson distribution beyond ten.
LEFT: Final = 2
BACKLOG: Final = 3  # full polls in a row; one or two are chance
LONGEST_GAP: Final = 1.0  # s; a quiet minute must not hide the burst that follows it
_KEPT: Final = 0.9  # of what was measured, with each poll


class Linger:
    """Measures arrivals and returns pauses. ``longest`` (s): no pause is longer; 0: none."""

    def __init__(self, longest: float, now: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._now = now
        self._polled = now()
        self._messages, self._seconds = 0.0, LONGEST_GAP  # a worker starts with a quiet second
        self._full = 0

    def after(self, count: int, taken: int, took: float) -> float:
        """Return the pause (s) after a poll for ``taken`` messages that returned ``count``.

        ``took`` (s) is the duration of the poll: messages also arrive during the next one.
        """
        now = self._now()
        gap, self._polled = min(now - self._polled, LONGEST_GAP), now
        self._messages = self._messages * _KEPT + count
        self._seconds = self._seconds * _KEPT + gap
        self._full = self._full + 1 if count == taken else 0
        if count == 0 or self._full >= BACKLOG:
            return 0.0
        rate = self._messages / self._seconds
        if rate * self._longest < taken / 2:
            return 0.0
        wanted = SHARE * taken - (LEFT if count == taken else 0)
        return min(self._longest, max(0.0, wanted / rate - took))
