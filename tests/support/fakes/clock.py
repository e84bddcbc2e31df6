"""A clock that the test moves."""

from datetime import UTC, datetime
from threading import Lock

START = 1_750_000_000.0


class FakeClock:
    """Call it for epoch seconds, or pass ``clock.now`` where a datetime is wanted."""

    def __init__(self, start=START):
        self._seconds = start
        self._lock = Lock()

    def __call__(self):
        with self._lock:
            return self._seconds

    def now(self):
        return datetime.fromtimestamp(self(), UTC)

    def set(self, moment):
        with self._lock:
            self._seconds = moment.timestamp()

    def advance(self, seconds):
        """Let time pass. Also replaces ``time.sleep``."""
        with self._lock:
            self._seconds += seconds
