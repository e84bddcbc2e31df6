"""Makes calls of a fake fail on request."""

from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition


@dataclass(frozen=True)
class Fault:
    error: BaseException
    lost_reply: bool


class Faults:
    """Counts the calls of each method, and raises the requested errors.

    Every method of a fake holds one lock from start to end.
    """

    def __init__(self):
        self.calls = Counter()
        self._faults = defaultdict(deque)
        self._lock = Condition()

    def fail_next(self, method, error, *, times=1, lost_reply=False):
        """Raise ``error`` in the next calls; with ``lost_reply``, after they took effect."""
        with self._lock:
            self._faults[method].extend([Fault(error, lost_reply)] * times)

    def forget_faults(self):
        """Forget all requested errors."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def _call(self, method):
        with self._lock:
            self.calls[method] += 1
            fault = self._faults[method].popleft() if self._faults[method] else None
            if fault and not fault.lost_reply:
                raise fault.error
            yield
            if fault:
                raise fault.error
