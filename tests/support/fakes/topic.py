"""The topic, in memory."""

from collections import deque

from support.fakes.faults import Faults
from workers.events import decode
from workers.runtime.errors import PermanentError

MAX_BYTES = 262_144


class FakeTopic(Faults):
    """The port ``Topic``; ``sent`` has the accepted events."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self._failed_entries = deque()

    def fail_entries(self, errors):
        """Let entries of the next call fail, given as position -> error."""
        with self._lock:
            self._failed_entries.append(dict(errors))

    @property
    def published(self):
        """The accepted events, as a consumer of this version decodes them."""
        with self._lock:
            return [decode(event.body) for event in self.sent]

    def publish(self, events):
        with self._call("publish"):
            errors = self._failed_entries.popleft() if self._failed_entries else {}
            for position, event in enumerate(events):
                if position in errors:
                    continue
                if len(event.body.encode()) > MAX_BYTES:
                    errors[position] = PermanentError("sns: too large")
                else:
                    self.sent.append(event)
            return errors
