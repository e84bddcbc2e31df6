"""The last step of a message: deletes and retry delays, sent to SQS in batches of ten.

A settlement waits up to ``LINGER`` for others to share its request, but a batch that is more than
half full only for those that come at once (``QUIET``): what was received together often ends
together, and the next ones come when the next poll has returned. Entries that SQS rejects are
tried again one by one. The lease is renewed until SQS has confirmed the delete. A message that was
handled but could not be deleted is remembered: if SQS delivers it again, it is deleted without
being handled again.
"""

import heapq
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Final

import structlog

from workers.limits import MAX_BATCH
from workers.runtime.crash import crash_point
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.lease import Lease
from workers.runtime.leases import GONE, Leases
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits
from workers.runtime.ports import Queue
from workers.runtime.settlement import name_of

LINGER: Final = 0.1  # s
QUIET: Final = 0.004  # s without a further settlement
NEARLY_FULL: Final = 6  # settlements
RETRY_DELAYS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)  # s; the last one repeats
MAX_BACKLOG: Final = 100  # unconfirmed settlements; at this number polling pauses
MAX_REMEMBERED: Final = 10_000  # handled messages that could not be deleted
_WAKING: Final = (1, NEARLY_FULL, MAX_BATCH)  # lengths of a batch that change when it is due
ACKS: Final = "acks"  # the reason given for that pause

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Ack:
    """A settlement that SQS has not confirmed yet."""

    lease: Lease
    hide: int | None  # seconds to hide the message; None deletes it
    ready_at: float
    tries: int = 0


class Acks:
    """Collects settlements and sends them."""

    def __init__(
        self,
        queue: Queue,
        leases: Leases,
        permits: Permits,
        *,
        telemetry: Telemetry,
        linger: float = LINGER,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._permits = permits
        self._telemetry = telemetry
        self._linger = linger
        self._now = now
        self._deletes: deque[Ack] = deque()
        self._hides: deque[Ack] = deque()
        self._postponed: list[tuple[float, int, Ack]] = []
        self._order = itertools.count()
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._backlog = 0
        self._closing = False
        self._changed = Condition()

    @property
    def backlog(self) -> int:
        """The number of settlements that SQS has not confirmed."""
        return self._backlog

    def delete(self, lease: Lease) -> None:
        """Delete the message with the next batch."""
        self._leases.settle(lease)
        self._submit(self._deletes, Ack(lease, None, self._now() + self._linger))

    def hide(self, lease: Lease, seconds: int) -> None:
        """Make the message visible again after ``seconds``."""
        self._leases.release(lease)
        self._submit(self._hides, Ack(lease, seconds, self._now() + self._linger))

    def was_handled(self, message_id: str) -> bool:
        """Return whether the message was handled before and only its delete failed."""
        return bool(self._handled) and message_id in self._handled

    def run(self) -> None:
        """Send settlements until closed and empty: the loop of the ack thread."""
        while True:
            with self._changed:
                while (wait := self._wait()) is None or wait > 0:
                    if self._closing and self._backlog == 0:
                        return
                    self._changed.wait(wait)
            self.flush()

    def close(self) -> None:
        """Send the rest without lingering. ``run`` ends once everything is confirmed."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def flush(self) -> None:
        """Send every batch that is due."""
        self._retry_due()
        for acks in (self._deletes, self._hides):
            while batch := self._take(acks):
                self._send(batch)

    def _submit(self, acks: deque[Ack], ack: Ack) -> None:
        with self._changed:
            acks.append(ack)
            self._backlog += 1
            if self._backlog == MAX_BACKLOG:
                self._permits.pause(ACKS)
            if len(acks) in _WAKING or self._closing:
                self._changed.notify()

    def _wait(self) -> float | None:
        """Return the seconds until a batch is due; None if there is nothing to send."""
        now = self._now()
        waits = [self._postponed[0][0] - now] if self._postponed else []
        waits += [self._due_in(acks, now) for acks in (self._deletes, self._hides) if acks]
        return min(waits, default=None)

    def _due_in(self, acks: deque[Ack], now: float) -> float:
        """Return the seconds until a batch has lingered long enough."""
        if len(acks) >= MAX_BATCH or self._closing or acks[0].tries > 0:
            return 0.0
        due = acks[0].ready_at
        if len(acks) >= NEARLY_FULL:
            due = min(due, acks[-1].ready_at - self._linger + QUIET)
        return due - now

    def _retry_due(self) -> None:
        with self._changed:
            while self._postponed and self._postponed[0][0] <= self._now():
                ack = heapq.heappop(self._postponed)[2]
                (self._deletes if ack.hide is None else self._hides).append(ack)

    def _take(self, acks: deque[Ack]) -> list[Ack]:
        with self._changed:
            if not acks or self._due_in(acks, self._now()) > 0:
                return []
            return [acks.popleft() for _ in range(min(MAX_BATCH, len(acks)))]

    def _send(self, batch: Sequence[Ack]) -> None:
        handles = [ack.lease.handle for ack in batch]
        try:
            if batch[0].hide is None:
                crash_point("settled")
                failed = self._queue.delete(handles)
                crash_point("deleted")
            else:
                failed = self._queue.change_visibility(
                    [(h, ack.hide or 0) for h, ack in zip(handles, batch, strict=True)]
                )
        except (Unavailable, FatalError) as error:
            log.warning("settlement.postponed", messages=len(batch), reason=str(error))
            failed = dict.fromkeys(range(len(batch)), name_of(error))
        confirmed = 0
        for position, ack in enumerate(batch):
            code = failed.get(position)
            if code is not None:
                self._telemetry.settlement_failures(code).inc()
            # Delivered again in the meantime: only the newer handle settles that delivery.
            outdated = ack.lease.handle != handles[position]
            if not outdated and (code is None or code in GONE):
                self._finish(ack, code)
                confirmed += 1
            else:
                self._postpone(ack)
        self._confirm(confirmed)

    def _finish(self, ack: Ack, code: str | None) -> None:
        if code is not None and ack.hide is None:
            self._handled[ack.lease.message.id] = None
            if len(self._handled) > MAX_REMEMBERED:
                self._handled.popitem(last=False)
        elif code is None and self._handled:
            self._handled.pop(ack.lease.message.id, None)
        self._leases.close(ack.lease)

    def _postpone(self, ack: Ack) -> None:
        delay = RETRY_DELAYS[min(ack.tries, len(RETRY_DELAYS) - 1)]
        ack.tries += 1
        with self._changed:
            heapq.heappush(self._postponed, (self._now() + delay, next(self._order), ack))

    def _confirm(self, count: int) -> None:
        with self._changed:
            before, self._backlog = self._backlog, self._backlog - count
            if before >= MAX_BACKLOG > self._backlog:
                self._permits.resume(ACKS)
