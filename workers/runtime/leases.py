"""The lease table: every message in this process, and how long it stays invisible.

A message enters when it is received and leaves when SQS has confirmed its settlement. In between,
one thread renews each lease that has used up half of its visibility timeout, in batches of ten. A
deadline moves only after SQS has accepted the renewal. A lease that cannot be kept is *lost*: its
handler gets an error at its next use of the transaction, and nothing is committed or deleted.

The table alone changes a lease, under its lock. See ``lease.py`` for the states.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Final

import structlog

from workers.glimpse import Glimpse, glimpse
from workers.limits import MAX_BATCH, MAX_VISIBILITY_TIMEOUT
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.lease import EDGES, RENEWED, IllegalTransition, Lease
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.ports import Message, Queue

HANDLER_TIMEOUT: Final = 900.0  # s; a handler that runs longer counts as hung
# s that the lease thread is late; it is never, as long as the process runs at all.
STALL: Final = 5.0

# The reasons why a lease is lost. Another worker gets the message, so nothing else is lost.
HUNG: Final = "handler_timeout"
LOSSES: Final = frozenset({"twelve_hours", "expired", "taken"})  # and the worker is healthy
DELIVERED_AGAIN: Final = "SQS delivers the message again; this worker commits nothing for it"
REPLACED: Final = f"{DELIVERED_AGAIN}; the process reports itself unhealthy"

# SQS answers with these codes when a receipt handle is no longer valid.
GONE: Final = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
    }
)

log = structlog.get_logger()


class Leases:
    """All leases of one worker."""

    def __init__(
        self,
        queue: Queue,
        *,
        telemetry: Telemetry,
        handler_timeout: float = HANDLER_TIMEOUT,
        on_hung: Callable[[Lease], None] = lambda _lease: None,
        look: Callable[[str], Glimpse] = glimpse,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_hung`` is called with the lease of a hung handler; it must not block.

        ``look`` reads the ids of a body for a log line; it never raises.
        """
        self.visibility_timeout = queue.visibility_timeout
        self.tick = min(5.0, max(0.1, self.visibility_timeout / 12))
        self.last_tick = now()
        self._queue = queue
        self._telemetry = telemetry
        self._handler_timeout = handler_timeout
        self._on_hung = on_hung
        self._look = look
        self._now = now
        self._leases: dict[str, Lease] = {}
        self._running: set[Lease] = set()  # abandoned ones too, even after they left the table
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._leases)

    def grant(self, message: Message) -> Lease | None:
        """Enter a message just received.

        Returns None if the message is in the table already: SQS delivered it again, and its lease
        takes over the new receipt handle. A lost lease is replaced instead: its handler may never
        return, and the new delivery must not wait for it.
        """
        now = self._now()
        with self._lock:
            held = self._leases.get(message.id)
            if held is None or held.lost is not None:
                lease = Lease(message, message.receipt_handle, now, now + self.visibility_timeout)
                self._leases[message.id] = lease
                return lease
            _write(held, "handle", message.receipt_handle)
            _write(held, "received_at", now)
            _write(held, "deadline", now + self.visibility_timeout)
        self._telemetry.redelivered_in_flight.inc()
        return None

    def start(self, lease: Lease) -> None:
        """Note that the handler starts."""
        with self._lock:
            _move(lease, "start")
            _write(lease, "started_at", self._now())
            self._running.add(lease)

    def wait(self, lease: Lease) -> None:
        """Note that the handler has returned: the message waits for its settlement or a retry."""
        with self._lock:
            _move(lease, "wait")
            _write(lease, "started_at", None)
            self._running.discard(lease)

    def settle(self, lease: Lease) -> None:
        """Keep the message invisible until SQS confirms that it is deleted."""
        with self._lock:
            _move(lease, "settle")

    def release(self, lease: Lease) -> None:
        """Stop renewing the message: it is about to become visible again."""
        with self._lock:
            _move(lease, "release")

    def hand_back(self) -> list[Lease]:
        """Give up every message without a settlement, and return their leases."""
        with self._lock:
            return [x for x in self._leases.values() if _lose(x, "handed back")]

    def lose(self, lease: Lease, reason: str) -> None:
        """Give up a message that another worker may own, unless its settlement is under way."""
        with self._lock:
            lost = _lose(lease, reason)
        if lost:
            self._report(lease, reason)

    def close(self, lease: Lease) -> None:
        """Forget a message: SQS has confirmed its settlement, or it is lost."""
        with self._lock:
            _move(lease, "close")
            if self._leases.get(lease.message.id) is lease:
                del self._leases[lease.message.id]

    def oldest_running(self) -> float:
        """Return how long (s) the longest-running handler has been running."""
        with self._lock:
            started = [x.started_at for x in self._running if x.started_at is not None]
        return self._now() - min(started) if started else 0.0

    def oldest_sent_at(self) -> float | None:
        """Return when the oldest message received for the first time was sent; None without one."""
        with self._lock:
            held = [x.message for x in self._leases.values()]
        return min((m.sent_at for m in held if m.receive_count == 1), default=None)

    def renew(self) -> None:
        """Renew every lease that is due: the lease thread calls this at each tick."""
        now = self._now()
        self._note_stall(max(0.0, now - self.last_tick - self.tick))
        with self._lock:
            leases = [x for x in self._leases.values() if x.state in RENEWED]
            lost = [x for x in leases if (why := self._overdue(x, now)) and _lose(x, why)]
        for lease in lost:
            self._report(lease, lease.lost or "")
        self.last_tick = now
        for batch in _batches(leases, now, self.visibility_timeout):
            self._renew_batch(batch)
            self.last_tick = self._now()  # a sweep of many slow requests is slow, not stuck

    def _note_stall(self, late: float) -> None:
        """Report that this thread did not run: most likely nothing in the process did."""
        self._telemetry.lease_lateness.set(late)
        if late >= STALL:
            self._telemetry.stalls.inc()
            log.warning(
                "process.stalled",
                seconds=round(late, 1),
                messages=len(self),
                reason="the process was frozen, or had no CPU; leases may have run out meanwhile",
            )

    def _overdue(self, lease: Lease, now: float) -> str | None:
        """Return why a lease must not, or can no longer, be renewed."""
        if lease.started_at is not None and now - lease.started_at > self._handler_timeout:
            return HUNG
        if now - lease.received_at > MAX_VISIBILITY_TIMEOUT - self.visibility_timeout:
            return "twelve_hours"
        return "expired" if now > lease.deadline else None

    def _renew_batch(self, batch: Sequence[Lease]) -> None:
        # Earlier batches take time: a message released meanwhile must not be hidden again.
        batch = [lease for lease in batch if lease.state in RENEWED]
        if not batch:
            return
        asked_at = self._now()
        handles = [lease.handle for lease in batch]
        seconds = int(self.visibility_timeout)
        try:
            failed = self._queue.change_visibility([(handle, seconds) for handle in handles])
        except (Unavailable, FatalError) as error:
            # The deadlines stand: the next tick tries again.
            self._telemetry.lease_renewals("failed").inc(len(batch))
            log.warning("lease.renewal_failed", messages=len(batch), reason=str(error))
            return
        taken = []
        with self._lock:
            for position, lease in enumerate(batch):
                code = failed.get(position)
                if code is None:
                    until = max(lease.deadline, asked_at + self.visibility_timeout)
                    _write(lease, "deadline", until)
                elif code in GONE and lease.handle == handles[position] and _lose(lease, "taken"):
                    taken.append(lease)
        for lease in taken:
            self._report(lease, "taken")
        self._telemetry.lease_renewals("failed").inc(len(failed))
        self._telemetry.lease_renewals("renewed").inc(len(batch) - len(failed))

    def _report(self, lease: Lease, reason: str) -> None:
        self._telemetry.leases_lost(reason).inc()
        fields = {"messageId": lease.message.id, **self._look(lease.message.body).fields()}
        if reason == HUNG:
            self._on_hung(lease)
            log.error("lease.lost", reason=reason, effect=REPLACED, **fields)
        else:
            log.warning("lease.lost", reason=reason, effect=DELIVERED_AGAIN, **fields)


# Only these three functions change a lease; the caller holds the lock of the table. A lease is a
# frozen dataclass, so an assignment anywhere else fails, and mypy rejects it.
_write = object.__setattr__


def _move(lease: Lease, act: str) -> None:
    """Take the edge of ``EDGES``. Raises ``IllegalTransition`` if there is none."""
    after = EDGES[act].get(lease.state)
    if after is None:
        raise IllegalTransition(f"{act}: the lease is {lease.state.value}")
    _write(lease, "state", after)


def _lose(lease: Lease, reason: str) -> bool:
    """Lose a lease; False if it is lost already or its settlement is under way."""
    before = lease.state
    _move(lease, "lose")
    if lease.state is before:
        return False
    _write(lease, "lost", reason)
    return True


def _batches(leases: Iterable[Lease], now: float, visibility_timeout: float) -> list[list[Lease]]:
    """Choose what to renew now: all that is due. The last batch is filled up with the next ones."""
    soonest_first = sorted(
        (lease for lease in leases if lease.lost is None), key=lambda lease: lease.deadline
    )
    due = sum(lease.deadline - now < visibility_timeout / 2 for lease in soonest_first)
    nearly = sum(lease.deadline - now < visibility_timeout * 0.75 for lease in soonest_first)
    count = min(nearly, -(-due // MAX_BATCH) * MAX_BATCH)
    return [soonest_first[i : min(i + MAX_BATCH, count)] for i in range(0, count, MAX_BATCH)]
