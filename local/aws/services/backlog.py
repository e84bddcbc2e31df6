"""The messages of one queue, indexed so that no operation scans all of them."""

import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

from moto.sqs.models import Message

# Sort key (arrival number, or ms since the epoch), tie-breaker, message.
_Entry: TypeAlias = tuple[float, int, Message]


def now_ms() -> float:
    """Return ms since the epoch, the unit of message timestamps."""
    return time.time() * 1000.0


class Backlog:
    """Messages by arrival, by the time they become visible, and by receipt handle.

    Each message is in one of two heaps: ready, or hidden by its timeout or delay. An outdated
    entry stays in its heap until it reaches the top, and is skipped. Not thread-safe.
    """

    def __init__(self, now: Callable[[], float] = now_ms) -> None:
        self._now = now
        self._ticks = count()
        self._arrival: dict[Message, int] = {}
        self._entries: dict[Message, _Entry] = {}  # the current entry
        self._ready: list[_Entry] = []
        self._hidden: list[_Entry] = []
        self._by_handle: dict[str, Message] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Message]:
        """Yield all messages in order of arrival. Slow: for rare operations."""
        return iter(tuple(self._entries))

    def append(self, message: Message) -> None:
        """Add a message."""
        self._arrival[message] = next(self._ticks)
        self.refile(message)

    def remove(self, message: Message) -> None:
        """Remove a message."""
        del self._arrival[message], self._entries[message]
        for handle in message.all_receipt_handles:
            self._by_handle.pop(handle or "", None)

    def find(self, receipt_handle: str) -> Message | None:
        """Return the message that has, or once had, this receipt handle."""
        return self._by_handle.get(receipt_handle)

    def refile(self, message: Message) -> None:
        """Update the indexes after a message's receipt handle or visibility has changed."""
        if message.receipt_handle:
            self._by_handle[message.receipt_handle] = message
        until = _hidden_until(message)
        # moto treats a message as visible once the clock is past the millisecond.
        heap, key = (
            (self._hidden, until) if until >= self._now() else (self._ready, self._arrival[message])
        )
        self._entries[message] = entry = (key, next(self._ticks), message)
        heappush(heap, entry)

    def visible(self) -> Iterator[Message]:
        """Yield visible messages in order of arrival; the caller may hide them meanwhile."""
        self._wake()
        given: list[Message] = []
        try:
            while self._ready:
                entry = heappop(self._ready)
                if self._is_current(entry):
                    given.append(entry[2])
                    yield entry[2]
        finally:
            for message in given:
                if message in self._entries:
                    self.refile(message)

    def next_visible(self) -> float | None:
        """Return when the next hidden message becomes visible (ms); None if none is hidden."""
        self._wake()
        return self._hidden[0][0] if self._hidden else None

    def counts(self) -> tuple[int, int, int]:
        """Count messages: visible, delayed, in flight."""
        self._wake()
        now = self._now()
        delayed = in_flight = 0
        for entry in self._hidden:
            if self._is_current(entry):
                in_flight += entry[2].visible_at >= now
                delayed += entry[2].delayed_until > now
        hidden = sum(map(self._is_current, self._hidden))
        return len(self) - hidden, delayed, in_flight

    def _wake(self) -> None:
        """Move messages that have become visible to the ready heap."""
        now = self._now()
        while self._hidden and (self._hidden[0][0] < now or not self._is_current(self._hidden[0])):
            entry = heappop(self._hidden)
            if self._is_current(entry):
                self.refile(entry[2])

    def _is_current(self, entry: _Entry) -> bool:
        return self._entries.get(entry[2]) is entry


def _hidden_until(message: Message) -> float:
    return max(message.visible_at, message.delayed_until)
