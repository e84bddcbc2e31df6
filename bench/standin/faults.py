"""What goes wrong on purpose, in a fixed rhythm so that every peer meets the same."""

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
    """Every how many requests one is throttled, or done but not answered; 0 is never."""

    latency: float = 0.0  # s added to every answer
    throttle_every: int = 0
    lose_every: int = 0
    throttled: int = 0
    lost: int = 0
    _seen: int = 0

    def throttles(self, action: str) -> bool:
        """Say whether this request is refused with a throttling error."""
        if action not in _HIT:
            return False
        self._seen += 1
        hit = self.throttle_every > 0 and self._seen % self.throttle_every == 0
        self.throttled += hit
        return hit

    def loses(self, action: str) -> bool:
        """Say whether this request is done, but its reply gets lost."""
        if action not in _HIT or not self.lose_every:
            return False
        hit = self._seen % self.lose_every == self.lose_every // 2
        self.lost += hit
        return hit
