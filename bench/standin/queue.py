"""The semantics of one SQS queue: visible, in flight, deleted. No sockets, no timers.

Times are epoch seconds, passed by the caller.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

import hashlib
import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import count
from zlib import crc32

import orjson

# Receipt handles of SQS have about this length, which costs clients CPU time.
_PADDING = "AQEB" + "b2YgcmVhbGlzdGljIGxlbmd0aA" * 13


class InvalidHandle(Exception):
    """The handle does not belong to this queue."""


class StaleHandle(Exception):
    """The message is deleted, or a newer receive has replaced the handle."""


class NotInFlight(Exception):
    """The message is visible again."""


@dataclass(eq=False, slots=True)
class Stored:
    """A message and its state."""

    number: int
    body: str
    sent_at: float
    encoded: bytes  # the constant part of its JSON in a receive answer
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)  # message attributes
    receives: int = 0
    first_received_at: float = 0.0
    received_at: float = 0.0
    hidden_until: float | None = None  # None: visible, or deleted
    deleted: bool = False
    group: str = ""  # of a FIFO queue

    @property
    def handle(self) -> str:
        """The receipt handle of the latest receive."""
        return f"{_PADDING}{self.number:08x}{self.receives:04x}"


@dataclass
class Queue:
    """One queue. ``tally`` counts its events."""

    name: str
    visibility_timeout: float = 30.0
    wait: float = 0.0
    messages: list[Stored] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)  # s from send to delete
    held: float = 0.0  # s from receive to delete, sum of all messages
    most_in_flight: int = 0
    in_flight: int = 0
    live: int = 0
    _visible: deque[Stored] = field(default_factory=deque)
    _expiries: list[tuple[float, int, Stored]] = field(default_factory=list)
    _turn: "count[int]" = field(default_factory=count)

    def send(
        self, body: str, now: float, attributes: dict[str, dict[str, str]] | None = None
    ) -> Stored:
        """Add a message, visible at once."""
        number = len(self.messages)
        encoded = orjson.dumps(
            {
                "MessageId": message_id(number, self.name),
                "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "Body": body,
            }
        )
        message = Stored(number, body, now, encoded[1:-1], attributes or {})
        self.messages.append(message)
        self._visible.append(message)
        self.live += 1
        return message

    def receive(self, limit: int, hide_for: float, now: float) -> list[Stored]:
        """Take up to ``limit`` visible messages, oldest first, and hide them."""
        self.expire(now)
        taken: list[Stored] = []
        while self._visible and len(taken) < limit:
            message = self._visible.popleft()
            if message.deleted:
                continue
            self._take(message, hide_for, now)
            taken.append(message)
        self._count(taken)
        return taken

    def delete(self, handle: str, now: float) -> bool:
        """Delete a message. Returns whether it is deleted now; raises ``InvalidHandle``.

        Like SQS, it accepts a stale handle without deleting anything.
        """
        message, receives = self._find(handle)
        if message.deleted:
            self.tally["deleted again"] += 1
            return True
        if receives != message.receives:
            self.tally["stale deletes"] += 1
            return False
        if message.hidden_until is not None:
            self.in_flight -= 1
        message.hidden_until = None
        message.deleted = True
        self.live -= 1
        self.tally["deleted"] += 1
        self.held += now - message.received_at
        self.latencies.append(now - message.sent_at)
        return True

    def hide(self, handle: str, seconds: float, now: float) -> None:
        """Set when a message becomes visible again.

        Raises ``InvalidHandle``, ``StaleHandle``, ``NotInFlight``.
        """
        message, receives = self._find(handle)
        if message.deleted or receives != message.receives:
            raise StaleHandle
        if message.hidden_until is None or message.hidden_until <= now:
            raise NotInFlight
        self._hide(message, now + seconds)
        self.expire(now)

    def expire(self, now: float) -> None:
        """Make messages visible again whose visibility timeout is over."""
        while self._expiries and self._expiries[0][0] <= now:
            until, _, message = heapq.heappop(self._expiries)
            if message.hidden_until == until:
                message.hidden_until = None
                self.in_flight -= 1
                self._visible.append(message)

    def next_expiry(self) -> float | None:
        """Return when the next hidden message becomes visible; None if none is hidden."""
        while self._expiries and self._expiries[0][2].hidden_until != self._expiries[0][0]:
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    @property
    def visible(self) -> int:
        """The number of messages that could be received now."""
        return self.live - self.in_flight

    def clear_figures(self) -> None:
        """Reset the counters."""
        self.tally.clear()
        self.latencies.clear()
        self.held = 0.0
        self.most_in_flight = self.in_flight

    def _take(self, message: Stored, hide_for: float, now: float) -> None:
        message.receives += 1
        message.first_received_at = message.first_received_at or now
        message.received_at = now
        self.in_flight += 1
        self._hide(message, now + hide_for)
        self.tally["duplicates"] += message.receives > 1

    def _count(self, taken: list[Stored]) -> None:
        self.tally["delivered"] += len(taken)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def _hide(self, message: Stored, until: float) -> None:
        message.hidden_until = until
        heapq.heappush(self._expiries, (until, next(self._turn), message))

    def _find(self, handle: str) -> tuple[Stored, int]:
        try:
            number, receives = int(handle[-12:-4], 16), int(handle[-4:], 16)
            return self.messages[number], receives
        except (ValueError, IndexError):
            raise InvalidHandle from None


def message_id(number: int, source: str) -> str:
    """Return the id of the message with this number of a queue, a topic or a mailer."""
    return f"{crc32(source.encode()):08x}-0000-4000-8000-{number:012x}"
