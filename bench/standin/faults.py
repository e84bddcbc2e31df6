"""Injects faults at random, from a seed: the nth request of an action fails for every peer alike.

Each action and kind of fault draws from a sequence of its own, so one peer's mix of requests does
not decide which of them fail.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

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
    """Shares, from 0 to 1: of requests, answers, batch entries and receives of SQS."""

    latency: float = 0.0  # s added to every answer
    throttle: float = 0.0  # requests that are refused
    lose: float = 0.0  # requests that are executed, but the connection closes without an answer
    fail_entries: float = 0.0  # entries of a batch that are not executed
    short_receives: float = 0.0  # receives that return fewer messages than they could
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # by kind and action
    _drawn: dict[str, Random] = field(default_factory=dict)

    def throttles(self, action: str) -> bool:
        """Return whether this request is throttled."""
        return action in _HIT and self._hits("throttled", action, self.throttle)

    def loses(self, action: str) -> bool:
        """Return whether this request is executed but its answer is lost."""
        return action in _HIT and self._hits("lost", action, self.lose)

    def fails_entry(self, action: str) -> bool:
        """Return whether this entry of a batch fails."""
        return action in _HIT and self._hits("failed entry", action, self.fail_entries)

    def shortened(self, limit: int) -> int:
        """Return how many messages this receive may return."""
        if limit > 1 and self._hits("short", "ReceiveMessage", self.short_receives):
            return self._random("short by", "ReceiveMessage").randrange(1, limit)
        return limit

    def _hits(self, kind: str, action: str, share: float) -> bool:
        hit = share > 0 and self._random(kind, action).random() < share
        if hit:
            self.counts[f"{kind} {action}"] += 1
        return hit

    def _random(self, kind: str, action: str) -> Random:
        name = f"{kind} {action}"
        if name not in self._drawn:
            self._drawn[name] = Random(f"{self.seed} {name}")  # noqa: S311 - not for secrets
        return self._drawn[name]
