"""Long polls: receive requests that wait for a message."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

from bench.standin.queue import Queue, Stored

_TICK = 0.001  # s; added to timers, which must not fire too early


@dataclass(eq=False)
class Poll:
    """One waiting receive request."""

    limit: int
    hide_for: float
    answer: Callable[[list[Stored]], None]
    waiting: "deque[Poll]"
    timer: asyncio.TimerHandle = field(init=False)

    def end(self, messages: list[Stored]) -> None:
        """Answer the poll."""
        self.forget()
        self.answer(messages)

    def forget(self) -> None:
        """Drop the poll without an answer: its client has disconnected."""
        self.timer.cancel()
        self.waiting.remove(self)


class Polls:
    """The waiting receive requests of one queue."""

    def __init__(
        self, queue: Queue, loop: asyncio.AbstractEventLoop, now: Callable[[], float] = time
    ) -> None:
        self.queue = queue
        self._loop = loop
        self._now = now
        self._waiting: deque[Poll] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def receive(
        self, limit: int, hide_for: float, wait: float, answer: Callable[[list[Stored]], None]
    ) -> Poll | None:
        """Answer at once if there are messages or ``wait`` (s) is 0, else return a poll."""
        messages = self.queue.receive(limit, hide_for, self._now())
        if messages or wait <= 0:
            answer(messages)
            return None
        poll = Poll(limit, hide_for, answer, self._waiting)
        poll.timer = self._loop.call_later(wait, poll.end, [])
        self._waiting.append(poll)
        self._set_alarm()
        return poll

    def wake(self) -> None:
        """Deliver visible messages to the waiting polls, longest waiting first."""
        while self._waiting:
            poll = self._waiting[0]
            messages = self.queue.receive(poll.limit, poll.hide_for, self._now())
            if not messages:
                self._set_alarm()
                return
            poll.end(messages)

    def _set_alarm(self) -> None:
        """Set a timer for the next hidden message that becomes visible."""
        if self._alarm:
            self._alarm.cancel()
        expiry = self.queue.next_expiry()
        if expiry is not None:
            self._alarm = self._loop.call_later(max(0.0, expiry - self._now()) + _TICK, self.wake)
