"""Requests that lead nowhere: what a hot loop looks like from the outside."""

from dataclasses import dataclass

WINDOW = 1.0  # s


@dataclass
class Rush:
    """Counts requests since the last message was deleted, second by second."""

    most: int = 0  # in one second without progress
    _since: float = 0.0
    _requests: int = 0
    _deleted: int = 0

    def note(self, now: float, deleted: int) -> None:
        """Note a request; ``deleted`` is how many messages have been deleted so far."""
        if deleted != self._deleted or now - self._since >= WINDOW:
            self._since, self._requests, self._deleted = now, 0, deleted
        self._requests += 1
        self.most = max(self.most, self._requests)
