"""Publishing: the outcomes of several handlers share one request.

This works like a database's group commit: outcomes that arrive during a request share the next
one. A lone publisher never waits, and under load every request is as full as possible. A handler
waits until SNS has accepted its own outcomes, and its message is deleted only after that.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import Final

from workers.envelope import Encoded
from workers.limits import MAX_BATCH
from workers.runtime.ports import Outcomes, Topic

LONGEST_WAIT: Final = 0.05  # s for the request under way: one that hangs must not delay others
_GLANCE: Final = 1.0  # s between looks at a batch that another handler sends


@dataclass(slots=True, eq=False)
class Batch:
    """The events of one request, and its result."""

    finished: Condition
    events: list[Encoded] = field(default_factory=list)
    refused: Mapping[int, Exception] = field(default_factory=dict)
    done: bool = False


class Publisher:
    """A topic shared by many handlers."""

    def __init__(
        self,
        topic: Topic,
        *,
        longest_wait: float = LONGEST_WAIT,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        """``rest`` waits on a condition, up to a number of seconds; see ``Breakers``."""
        self._topic = topic
        self._longest_wait = longest_wait
        self._now = now
        self._rest = rest
        self._open: Batch | None = None  # can be joined
        self._under_way = 0  # requests
        self._lock = Lock()
        # Two kinds of waits have a condition each, because a thread that wakes up for nothing costs
        # as much CPU time as a small request.
        self._sendable = Condition(self._lock)  # a request ended, or a batch became full

    @property
    def waiting(self) -> int:
        """The number of outcomes that wait for the request under way."""
        batch = self._open
        return len(batch.events) if batch is not None else 0

    def publish(self, events: Outcomes) -> Mapping[int, Exception]:
        """As ``Topic.publish``."""
        with self._lock:
            batch = self._open
            joins = batch is not None and len(batch.events) + len(events) <= MAX_BATCH
            if batch is None or not joins:
                if batch is not None:
                    self._sendable.notify_all()  # it is closed
                batch = self._open = Batch(Condition(self._lock))
            start = len(batch.events)
            batch.events.extend(events)
            if len(batch.events) >= MAX_BATCH:
                self._sendable.notify_all()
            if joins:
                while not batch.done:
                    self._rest(batch.finished, _GLANCE)
            else:
                self._collect(batch)
        if not joins:
            self._send(batch)
        return {
            position - start: error
            for position, error in batch.refused.items()
            if start <= position < start + len(events)
        }

    def _collect(self, batch: Batch) -> None:
        """Let others join while a request is under way, then close the batch."""
        until = self._now() + self._longest_wait
        while self._under_way > 0 and not self._is_full(batch) and self._now() < until:
            self._rest(self._sendable, until - self._now())
        if self._open is batch:
            self._open = None
        self._under_way += 1

    def _is_full(self, batch: Batch) -> bool:
        return self._open is not batch or len(batch.events) >= MAX_BATCH

    def _send(self, batch: Batch) -> None:
        try:
            batch.refused = self._topic.publish(batch.events)
        except Exception as error:  # noqa: BLE001 - raised again in each handler of the batch
            batch.refused = dict.fromkeys(range(len(batch.events)), error)
        with self._lock:
            self._under_way -= 1
            batch.done = True
            batch.finished.notify_all()
            self._sendable.notify_all()
