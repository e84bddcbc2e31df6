"""The lease table: every message in this process, and how long it stays invisible to others.

A message enters when it is received and leaves when its settlement is confirmed; in between one
thread renews what has used up half of its visibility timeout, in batches of ten. A deadline moves
only when SQS said yes. A lease that cannot be kept is *lost*: its handler is told at the next use
of its transaction, and nothing is committed or deleted for it here.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import structlog

from workers.runtime.errors import FatalError, LeaseLost, Unavailable
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import MAX_BATCH
from workers.runtime.ports import Message, Queue

# A message is hidden for at most 12 h from its receive; a longer request fails:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
MAX_INVISIBLE: Final = 43_200.0
HANDLER_TIMEOUT: Final = 900.0  # s; a handler that takes longer is taken for hung

# The codes with which SQS says that a receipt handle is of no use any more.
GONE: Final = frozenset(
    {
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
    }
)

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Lease:
    """One message in this process."""

    message: Message
    handle: str  # the newest receipt handle: SQS may honour no older one
    received_at: float  # monotonic, as all times here
    deadline: float  # until when the message is invisible for certain
    started_at: float | None = None  # when its handler started, while it runs
    lost: str | None = None  # why, if it is
    settled: bool = False  # its handler has ended; the settlement is under way
    renewable: bool = True  # False once it is to become visible again
    suspect: bool | None = None  # it may have ended earlier workers; None before it is known
    recorded: bool = False  # its start is on record as an attempt, or may be
    broke: BaseException | None = None  # what ended its handler's thread, and so the worker

    def check(self) -> None:
        """Raise ``LeaseLost`` if the message may be in other hands."""
        if self.lost is not None:
            raise LeaseLost(self.lost)


class Leases:
    """All leases of one worker."""

    def __init__(
        self,
        queue: Queue,
        *,
        visibility_timeout: float,
        telemetry: Telemetry,
        handler_timeout: float = HANDLER_TIMEOUT,
        on_hung: Callable[[Lease], None] = lambda _lease: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_hung`` hears of a handler that is given up; it must not block."""
        self.visibility_timeout = visibility_timeout
        self.tick = min(5.0, max(0.1, visibility_timeout / 12))
        self.last_tick = now()
        self._queue = queue
        self._telemetry = telemetry
        self._handler_timeout = handler_timeout
        self._on_hung = on_hung
        self._now = now
        self._leases: dict[str, Lease] = {}
        self._running: set[Lease] = set()  # also those that were lost and are in no table any more
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._leases)

    def grant(self, message: Message) -> Lease | None:
        """Enter a message just received.

        None means that it is in the table already: SQS delivered it again, and the running
        lease takes over the new receipt handle. One that was lost does not: its handler may never
        return, and the new delivery must not wait for it.
        """
        now = self._now()
        with self._lock:
            held = self._leases.get(message.id)
            if held is None or held.lost is not None:
                lease = Lease(message, message.receipt_handle, now, now + self.visibility_timeout)
                self._leases[message.id] = lease
                return lease
            held.handle = message.receipt_handle
            held.received_at = now
            held.deadline = now + self.visibility_timeout
        self._telemetry.redelivered_in_flight.inc()
        return None

    def close(self, lease: Lease) -> None:
        """Forget a message: its settlement is confirmed, or it is lost."""
        with self._lock:
            if self._leases.get(lease.message.id) is lease:
                del self._leases[lease.message.id]

    def start(self, lease: Lease) -> float:
        """Note that the handler starts; returns the time."""
        with self._lock:
            lease.started_at = self._now()
            self._running.add(lease)
            return lease.started_at

    def stop(self, lease: Lease) -> None:
        """Note that the handler has returned, or waits for something else."""
        with self._lock:
            lease.started_at = None
            self._running.discard(lease)

    def unsettled(self) -> list[Lease]:
        """List the leases whose messages have no settlement yet, started or not."""
        with self._lock:
            return [x for x in self._leases.values() if not x.settled and x.lost is None]

    def oldest_running(self) -> float:
        """Say for how long (s) the longest-running handler has been running."""
        with self._lock:
            started = [x.started_at for x in self._running if x.started_at is not None]
        return self._now() - min(started) if started else 0.0

    def renew(self) -> None:
        """Renew what is due, once: the whole work of the lease thread at a tick."""
        now = self._now()
        self._telemetry.lease_lateness.set(max(0.0, now - self.last_tick - self.tick))
        with self._lock:
            leases = [x for x in self._leases.values() if x.lost is None and x.renewable]
        self._give_up(leases, now)
        self.last_tick = now
        for batch in _batches(leases, now, self.visibility_timeout):
            self._renew_batch(batch)
            self.last_tick = self._now()  # a sweep of many slow requests is slow, not stuck

    def _give_up(self, leases: Iterable[Lease], now: float) -> None:
        """Declare lost what must not, or can no longer, be renewed."""
        for lease in leases:
            if lease.started_at is not None and now - lease.started_at > self._handler_timeout:
                self._lose(lease, "handler_timeout")
            elif now - lease.received_at > MAX_INVISIBLE - self.visibility_timeout:
                self._lose(lease, "twelve_hours")
            elif now > lease.deadline:
                self._lose(lease, "expired")

    def _renew_batch(self, batch: Sequence[Lease]) -> None:
        # The batch before may have taken a while: what is to come back soon must not be hidden.
        batch = [lease for lease in batch if lease.renewable]
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
        for position, lease in enumerate(batch):
            code = failed.get(position)
            if code is None:
                lease.deadline = max(lease.deadline, asked_at + self.visibility_timeout)
            elif code in GONE and lease.handle == handles[position] and not lease.settled:
                self._lose(lease, "taken")
        self._telemetry.lease_renewals("failed").inc(len(failed))
        self._telemetry.lease_renewals("renewed").inc(len(batch) - len(failed))

    def _lose(self, lease: Lease, reason: str) -> None:
        if lease.settled:
            # The effect is committed: deleting with an old handle does no harm, so go on.
            return
        lease.lost = reason
        if reason == "handler_timeout":
            self._on_hung(lease)
        self._telemetry.leases_lost(reason).inc()
        log.error("lease.lost", reason=reason, messageId=lease.message.id)


def _batches(leases: Iterable[Lease], now: float, visibility_timeout: float) -> list[list[Lease]]:
    """Choose what to renew now: all that is due, the last batch filled up with what comes next."""
    soonest_first = sorted(
        (lease for lease in leases if lease.lost is None), key=lambda lease: lease.deadline
    )
    due = sum(lease.deadline - now < visibility_timeout / 2 for lease in soonest_first)
    nearly = sum(lease.deadline - now < visibility_timeout * 0.75 for lease in soonest_first)
    count = min(nearly, -(-due // MAX_BATCH) * MAX_BATCH)
    return [soonest_first[i : min(i + MAX_BATCH, count)] for i in range(0, count, MAX_BATCH)]
