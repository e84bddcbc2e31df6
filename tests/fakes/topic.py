"""The topic, in memory."""

from collections import deque

from fakes.faults import Faults
from workers.runtime.errors import PermanentError

MAX_BYTES = 262_144


class FakeTopic(Faults):
    """The port ``Topic``; what was accepted is in ``published``."""

    def __init__(self):
        super().__init__()
        self.published = []
        self._failed_entries = deque()

    def fail_entries(self, errors):
        """Let entries of the next call fail: position -> error."""
        with self._lock:
            self._failed_entries.append(dict(errors))

    def publish(self, envelopes):
        with self._call("publish"):
            errors = self._failed_entries.popleft() if self._failed_entries else {}
            for position, envelope in enumerate(envelopes):
                if position in errors:
                    continue
                if len(envelope.encode().encode()) > MAX_BYTES:
                    errors[position] = PermanentError("sns: too large")
                else:
                    self.published.append(envelope)
            return errors
