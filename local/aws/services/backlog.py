"""The messages of one queue, kept so that no step looks at all of them."""

import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

from moto.sqs.models import Message

# When (arrival, or ms since the epoch); a tie-breaker; the message.
_Entry: TypeAlias = tuple[float, int, Message]


def now_ms() -> float:
    """Return ms since the epoch, as messages keep their times."""
    return time.time() * 1000.0


class Backlog:
    """Messages by their arrival, by when they become visible, and by receipt handle.

    Each message is in one of two heaps: ready, or hidden by its timeout or delay. An entry that
    is out of date stays in its heap until it comes up, and is passed over. One thread at a time.
    """

    def __init__(self, now: Callable[[], float] = now_ms) -> None:
        self._now = now
        self._ticks = count()
        self._arrival: dict[Message, int] = {}
        self._entries: dict[Message, _Entry] = {}  # the one that is up to date
        self._ready: list[_Entry] = []
        self._hidden: list[_Entry] = []
        self._by_handle: dict[str, Message] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Message]:
        """Give every message in the order of arrival: for what is done rarely."""
        return iter(tuple(self._entries))

    def append(self, message: Message) -> None:
        """Add a message."""
        self._arrival[message] = next(self._ticks)
        self.refile(message)

    def remove(self, message: Message) -> None:
        """Take a message out for good."""
        del self._arrival[message], self._entries[message]
        for handle in message.all_receipt_handles:
            self._by_handle.pop(handle or "", None)

    def find(self, receipt_handle: str) -> Message | None:
        """Find the message that ever had this receipt handle."""
        return self._by_handle.get(receipt_handle)

    def refile(self, message: Message) -> None:
        """Take note of a message's new handle, and of when it is visible now."""
        if message.receipt_handle:
            self._by_handle[message.receipt_handle] = message
        until = _hidden_until(message)
        # moto calls a message visible once the clock is past the millisecond.
        heap, key = (
            (self._hidden, until) if until >= self._now() else (self._ready, self._arrival[message])
        )
        self._entries[message] = entry = (key, next(self._ticks), message)
        heappush(heap, entry)

    def visible(self) -> Iterator[Message]:
        """Give visible messages in the order of arrival; one that is hidden meanwhile is filed."""
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
        """Say when the next hidden message becomes visible (ms); None if none is hidden."""
        self._wake()
        return self._hidden[0][0] if self._hidden else None

    def counts(self) -> tuple[int, int, int]:
        """Count the visible, the delayed, and those in flight."""
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
        """Move what has become visible."""
        now = self._now()
        while self._hidden and (self._hidden[0][0] < now or not self._is_current(self._hidden[0])):
            entry = heappop(self._hidden)
            if self._is_current(entry):
                self.refile(entry[2])

    def _is_current(self, entry: _Entry) -> bool:
        return self._entries.get(entry[2]) is entry


def _hidden_until(message: Message) -> float:
    return max(message.visible_at, message.delayed_until)
