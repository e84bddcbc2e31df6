"""Holding a message in its worker while the environment fails.

The message keeps its slot, its lease is renewed, and it is tried again. With an open breaker it
waits for its turn to probe the dependency, otherwise for a random pause.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from workers.runtime.breaker import Breakers
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.settlement import full_jitter

# A message keeps its slot for this long (s) while the environment fails. It is long enough for a
# breaker to open and for most interruptions to end. Then other messages get the slot.
HOLD: Final = 60.0
FIRST_PAUSE: Final = 0.5  # s between two tries, doubling, with full jitter
LONGEST_PAUSE: Final = 30.0  # s


class Hold:
    """Holds one message, or a batch of them, from its first failed try to its settlement."""

    def __init__(
        self,
        breakers: Breakers,
        *,
        lost: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lost`` says, about once a second, that there is nothing left to hold."""
        self._breakers = breakers
        self._lost = lost
        self._now = now
        self._until = math.inf
        self._tries = 0
        self._probing: str | None = None  # the dependency that the next try probes

    def wait(self, error: Exception, *, forever: bool = False) -> bool:
        """Wait after a failed try; False if the message cannot be held until the next.

        It cannot if the worker stops, if it is lost, or after ``HOLD`` unless ``forever``.
        """
        self._tries += 1
        self._until = min(self._until, self._now() + HOLD)
        dependency = _dependency(error)
        if self._probing != dependency:
            self._breakers.abandon(self._probing)
        is_open = dependency is not None and self._breakers.failed(dependency, str(error))
        self._probing = dependency if is_open else None
        left = math.inf if forever else self._until - self._now()
        if self._probing is not None:
            return self._breakers.wait(self._probing, self._lost, left)
        pause = full_jitter(self._tries, base=FIRST_PAUSE, cap=LONGEST_PAUSE)
        asked = getattr(error, "retry_after", None) or 0.0
        return self._breakers.pause(max(pause, asked), self._lost, left)

    def over(self, *, succeeded: bool) -> None:
        """Note the end of the last try; without success it showed nothing about a dependency."""
        if succeeded:
            self._breakers.succeeded(self._probing)
        else:
            self._breakers.abandon(self._probing)


def _dependency(error: Exception) -> str | None:
    """Return the dependency that does not answer; None for a conflict.

    Denied access is an outage too: no message is at fault, and an operator can fix it.
    """
    match error:
        case Unavailable():
            return error.dependency
        case FatalError():
            return "access"
        case _:
            return None
