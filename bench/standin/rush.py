"""Counts fruitless requests, which reveal a hot loop."""

from dataclasses import dataclass

WINDOW = 1.0  # s


@dataclass
class Rush:
    """Counts requests since the last delete, second by second."""

    most: int = 0  # in one second without progress
    _since: float = 0.0
    _requests: int = 0
    _deleted: int = 0

    def note(self, now: float, deleted: int) -> None:
        """Count a request; ``deleted`` is the number of messages deleted so far."""
        if deleted != self._deleted or now - self._since >= WINDOW:
            self._since, self._requests, self._deleted = now, 0, deleted
        self._requests += 1
        self.most = max(self.most, self._requests)
