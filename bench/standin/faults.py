"""Injects faults at fixed intervals, so that every peer meets the same ones."""

from dataclasses import dataclass

_HIT = frozenset(
    {
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
    }
)


@dataclass
class Faults:
    """The intervals, in requests, of throttled requests and of lost answers; 0: never."""

    latency: float = 0.0  # s added to every answer
    throttle_every: int = 0
    lose_every: int = 0
    throttled: int = 0
    lost: int = 0
    _seen: int = 0

    def throttles(self, action: str) -> bool:
        """Return whether this request is throttled."""
        if action not in _HIT:
            return False
        self._seen += 1
        hit = self.throttle_every > 0 and self._seen % self.throttle_every == 0
        self.throttled += hit
        return hit

    def loses(self, action: str) -> bool:
        """Return whether this request is executed but its answer is lost."""
        if action not in _HIT or not self.lose_every:
            return False
        hit = self._seen % self.lose_every == self.lose_every // 2
        self.lost += hit
        return hit
