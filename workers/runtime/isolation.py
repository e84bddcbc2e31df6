"""Isolation: a message that may have crashed earlier workers runs alone in its process.

Other handlers run together. A suspect waits until they have returned, and no other handler starts
while it waits or runs. Each of the two is limited to ``LIMIT``: a slow message must not stop a
worker. Suspects never run together, because each has a recorded start that counts as an attempt if
the process dies.
"""

import time
from collections.abc import Callable
from threading import Condition
from typing import Final

from workers.runtime.lease import Lease
from workers.runtime.permits import Permits

LIMIT: Final = 60.0  # s; a message that crashes a process has usually done so by then
SUSPECT: Final = "suspect"  # the reason given for the pause in polling
_GLANCE: Final = 1.0  # s between two checks of a waiting handler for lost leases


class Isolation:
    """Admits handlers of one process: many together, or one suspect alone."""

    def __init__(
        self,
        permits: Permits,
        *,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        """``rest`` waits on a condition for at most so many seconds; see ``Breakers``."""
        self._permits = permits
        self._now = now
        self._rest = rest
        self._together: set[Lease] = set()
        self._alone: Lease | None = None
        self._alone_since = 0.0
        self._suspects_waiting = 0
        self._stopped = False
        self._changed = Condition()

    def enter(self, *leases: Lease) -> bool:
        """Wait until messages may run with others; False if the worker stops or one is lost.

        Several enter at once: one that was inside and waited for another would block a suspect.
        """
        with self._changed:
            while self._held_back():
                if self._stopped or any(lease.lost is not None for lease in leases):
                    return False
                self._rest(self._changed, _GLANCE)
            self._together.update(leases)
            return True

    def enter_alone(self, lease: Lease) -> bool:
        """Wait until nothing else runs; False if that takes too long, or as for ``enter``."""
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

    def leave(self, *leases: Lease) -> None:
        """Note that the handler of the messages has returned."""
        with self._changed:
            self._together.difference_update(leases)
            if self._alone in leases:
                self._alone = None
                self._resume()
                self._changed.notify_all()
            elif self._suspects_waiting and not self._together:
                self._changed.notify_all()

    def relax(self) -> None:
        """Resume polling once a suspect has run for ``LIMIT``; called periodically."""
        if SUSPECT in self._permits.paused:
            with self._changed:
                self._resume()

    def stop(self) -> None:
        """Turn away every message that waits, or would have to."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _held_back(self) -> bool:
        """Return whether a suspect runs alone, or waits to."""
        if self._alone is None:
            return self._suspects_waiting > 0
        return self._alone.lost is None and self._now() - self._alone_since < LIMIT

    def _busy(self) -> bool:
        """Return whether anything runs that a crash of the suspect would take down.

        A lost lease does not count: another worker owns its message, or will.
        """
        if self._alone is not None and self._alone.lost is None:
            return True
        return any(lease.lost is None for lease in self._together)

    def _resume(self) -> None:
        if not self._held_back():
            self._permits.resume(SUSPECT)
            self._changed.notify_all()
