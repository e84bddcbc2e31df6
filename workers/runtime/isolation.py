"""Isolation: a message that may have ended earlier workers runs alone in its process.

Other handlers run together. A suspect waits until they have returned, and holds back those that
would start. Neither its wait nor its run does so for longer than ``LIMIT``: what is slow must not
stop a worker. Suspects never run with one another, because each has a start on record that counts
if the process dies.
"""

import time
from collections.abc import Callable
from threading import Condition
from typing import Final

from workers.runtime.leases import Lease
from workers.runtime.permits import Permits

LIMIT: Final = 60.0  # s; what has not ended a process by then rarely does
SUSPECT: Final = "suspect"  # the reason for which polling pauses meanwhile
_GLANCE: Final = 1.0  # s; how often a waiting handler looks for leases that were lost


class Isolation:
    """Admits handlers of one process: many together, or one suspect alone."""

    def __init__(
        self,
        permits: Permits,
        *,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        """``rest`` waits on a condition for so many seconds at most; see ``Breakers``."""
        self._permits = permits
        self._now = now
        self._rest = rest
        self._together: set[Lease] = set()
        self._alone: Lease | None = None
        self._alone_since = 0.0
        self._suspects_waiting = 0
        self._stopped = False
        self._changed = Condition()

    def enter(self, lease: Lease) -> bool:
        """Wait until the message may be handled with others; False if it no longer may."""
        with self._changed:
            while self._held_back():
                if self._stopped or lease.lost is not None:
                    return False
                self._rest(self._changed, _GLANCE)
            self._together.add(lease)
            return True

    def enter_alone(self, lease: Lease) -> bool:
        """Wait until nothing else runs here; False if that takes too long, or as ``enter`` says."""
        with self._changed:
            self._suspects_waiting += 1
            self._permits.pause(SUSPECT)
            give_up_at = self._now() + LIMIT
            try:
                while self._busy():
                    late = self._now() >= give_up_at
                    if late or self._stopped or lease.lost is not None:
                        return False
                    self._rest(self._changed, _GLANCE)
                self._alone, self._alone_since = lease, self._now()
                return True
            finally:
                self._suspects_waiting -= 1
                self._resume()

    def leave(self, lease: Lease) -> None:
        """Note that the handler of the message has returned."""
        with self._changed:
            self._together.discard(lease)
            if self._alone is lease:
                self._alone = None
                self._resume()
                self._changed.notify_all()
            elif self._suspects_waiting and not self._together:
                self._changed.notify_all()

    def relax(self) -> None:
        """Let polling resume once a suspect has run for long; to be called now and then."""
        if SUSPECT in self._permits.paused:
            with self._changed:
                self._resume()

    def stop(self) -> None:
        """Let no more messages start that have to wait for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _held_back(self) -> bool:
        """Tell whether a suspect runs alone, or waits to."""
        if self._alone is None:
            return self._suspects_waiting > 0
        return self._alone.lost is None and self._now() - self._alone_since < LIMIT

    def _busy(self) -> bool:
        """Tell whether anything runs that could be lost with a suspect.

        A lease that was lost is not: another worker has its message, or will.
        """
        if self._alone is not None and self._alone.lost is None:
            return True
        return any(lease.lost is None for lease in self._together)

    def _resume(self) -> None:
        if not self._held_back():
            self._permits.resume(SUSPECT)
            self._changed.notify_all()
