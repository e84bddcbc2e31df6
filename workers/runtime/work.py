"""Messages that wait for a handler thread.

One thread is woken at a time; it wakes the next as soon as it has taken its message, if there are
more. Ten quick messages then wake up one or two threads, not ten: with the interpreter's lock, the
first has handled all of them before the others would get to run. Ten slow ones start at once.
"""

from collections import deque
from queue import Empty
from threading import Lock

from workers.runtime.lease import Lease


class Work:
    """A queue of leases; None ends the thread that takes it. Thread-safe, first in, first out."""

    def __init__(self) -> None:
        self._waiting: deque[Lease | None] = deque()
        self._idle: list[Lock] = []  # a locked lock for each thread that waits for work
        # A thread was woken and has not looked yet. While anything waits and threads are idle, this
        # is true: nothing waits for long.
        self._waking = False
        self._lock = Lock()

    def qsize(self) -> int:
        """Return how many leases wait."""
        return len(self._waiting)

    @property
    def idle(self) -> int:
        """The number of threads that wait for work."""
        return len(self._idle)

    def put(self, lease: Lease | None) -> None:
        """Add a lease; never blocks."""
        with self._lock:
            self._waiting.append(lease)
            self._wake()

    def get(self) -> Lease | None:
        """Take the next lease; wait for one if there is none."""
        woken: Lock | None = None
        while True:
            with self._lock:
                if woken is not None:
                    self._waking = False
                if self._waiting:
                    lease = self._waiting.popleft()
                    self._wake()
                    return lease
                if woken is None:
                    woken = Lock()
                    woken.acquire()
                self._idle.append(woken)
            woken.acquire()

    def get_nowait(self) -> Lease | None:
        """Take the next lease. Raises ``queue.Empty`` if there is none."""
        with self._lock:
            if not self._waiting:
                raise Empty
            return self._waiting.popleft()

    def _wake(self) -> None:
        """Wake a thread if anything waits and no other thread is about to look; with the lock."""
        if self._waiting and self._idle and not self._waking:
            self._waking = True
            # The last to wait: its memory is the warmest.
            self._idle.pop().release()
