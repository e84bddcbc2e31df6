"""A FIFO queue: no message of a group while another one of it is in flight.

A receive returns as many messages of one group as it has room for, then those of the next.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field

from bench.standin.queue import Queue, StaleHandle, Stored

SUFFIX = ".fifo"
GROUPS = 50


@dataclass
class FifoQueue(Queue):
    """One FIFO queue. Its messages go to ``GROUPS`` groups in turn."""

    _of_group: dict[str, deque[Stored]] = field(default_factory=dict)  # all that are not deleted
    _busy: Counter[str] = field(default_factory=Counter)  # messages in flight
    _open: deque[str] = field(default_factory=deque)  # groups with messages and none in flight

    def send(
        self, body: str, now: float, attributes: dict[str, dict[str, str]] | None = None
    ) -> Stored:
        """Add a message at the end of its group."""
        message = super().send(body, now, attributes)
        self._visible.clear()  # the groups are the order
        message.group = f"group-{message.number % GROUPS}"
        lane = self._of_group.setdefault(message.group, deque())
        lane.append(message)
        if len(lane) == 1:
            self._open.append(message.group)
        return message

    def receive(self, limit: int, hide_for: float, now: float) -> list[Stored]:
        """Take messages of groups that have none in flight, each in its order."""
        self.expire(now)
        taken: list[Stored] = []
        while self._open and len(taken) < limit:
            group = self._open.popleft()
            for message in list(self._of_group[group])[: limit - len(taken)]:
                self._take(message, hide_for, now)
                self._busy[group] += 1
                taken.append(message)
        self._count(taken)
        return taken

    def delete(self, handle: str, now: float) -> bool:
        """Delete a message. Raises ``StaleHandle`` for a replaced or expired handle."""
        message, receives = self._find(handle)
        if not message.deleted and (receives != message.receives or message.hidden_until is None):
            raise StaleHandle
        deleted_before = message.deleted
        done = super().delete(handle, now)
        if not deleted_before:
            self._of_group[message.group].remove(message)
            self._leave(message)
        return done

    def expire(self, now: float) -> None:
        """Make messages visible again; a group is open once none of it is in flight."""
        while self._expiries and self._expiries[0][0] <= now:
            until, _, message = heapq.heappop(self._expiries)
            if message.hidden_until == until:
                message.hidden_until = None
                self.in_flight -= 1
                self._leave(message)

    def _leave(self, message: Stored) -> None:
        group = message.group
        self._busy[group] -= 1
        if self._busy[group] == 0:
            del self._busy[group]
            if self._of_group[group]:
                self._open.append(group)


def new_queue(name: str) -> Queue:
    """Return a queue of the kind that its name says."""
    return FifoQueue(name) if name.endswith(SUFFIX) else Queue(name)
