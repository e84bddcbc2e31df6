"""The receive loop of one queue: starts its threads and drains them together."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Event as Flag
from threading import Lock
from typing import Final

import structlog

from workers.glimpse import Glimpse, glimpse
from workers.runtime.acks import ACKS, Acks
from workers.runtime.admission import Admission
from workers.runtime.breaker import Breakers
from workers.runtime.groups import Turns
from workers.runtime.heartbeat import Reporter
from workers.runtime.isolation import SUSPECT, Isolation
from workers.runtime.lease import Lease, State
from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.pause import PauseSwitch
from workers.runtime.permits import Permits
from workers.runtime.poller import Poller
from workers.runtime.protection import Protection
from workers.runtime.worker import Deadline

STALE_POLL: Final = 30.0  # s beyond the receive wait; the client times out long before
STALE_TICK: Final = 30.0  # s without a tick of the lease thread
EXCUSE_EVERY: Final = 5.0  # s between retries of failed excuses
EXCUSE_TIMEOUT: Final = 1.0  # s to record that the messages handed back are no suspects
LEAVE_TIMEOUT: Final = 1.0  # s to take the worker off the roster of its service
_GLANCE: Final = 0.02  # s between checks while draining

log = structlog.get_logger()


class ReceiveLoop:
    """The threads that receive, handle and settle the messages of one queue."""

    def __init__(
        self,
        *,
        poller: Poller,
        consume: Callable[[Lease], None],
        admission: Admission,
        isolation: Isolation,
        permits: Permits,
        leases: Leases,
        acks: Acks,
        turns: Turns,
        breakers: Breakers,
        protection: Protection | None,
        switch: PauseSwitch,
        reporter: Reporter | None,
        telemetry: Telemetry,
        receive_wait: float,
        handler_timeout: float,
        look: Callable[[str], Glimpse] = glimpse,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._poller = poller
        self._consume = consume
        self._admission = admission
        self._isolation = isolation
        self._permits = permits
        self._leases = leases
        self._acks = acks
        self._turns = turns
        self._breakers = breakers
        self._protection = protection
        self._switch = switch
        self._reporter = reporter
        self._telemetry = telemetry
        self._receive_wait = receive_wait
        self._handler_timeout = handler_timeout
        self._look = look
        self._now = now
        self._sleep = sleep
        self._start_until: Callable[[], float] | None = None
        self._pollers = _Headcount(permits.pollers)
        self._handlers = _Headcount(permits.concurrency)
        self._acks_sent = Flag()
        self._over = Flag()
        self._unprotected = Flag()
        if protection is None:
            self._unprotected.set()
        self._left = Flag()
        if reporter is None:
            self._left.set()
        else:
            switch.hold()

    def threads(self) -> Mapping[str, Callable[[], None]]:
        """Return the loops to run, by the name of their thread."""
        loops: dict[str, Callable[[], None]] = {"lease": self._keep_leases, "ack": self._send_acks}
        loops["excuse"] = self._excuse_again
        for slot in range(self._permits.concurrency):
            loops[f"handler-{slot}"] = partial(self._handlers.leave_after, self._handle)
        for poller in range(self._permits.pollers):
            poll = partial(self._poller.run, poller)
            loops[f"poller-{poller}"] = partial(self._pollers.leave_after, poll)
        if self._protection is not None:
            loops["protection"] = partial(self._protect, self._protection)
        if self._reporter is not None:
            loops["heartbeat"] = partial(self._report, self._reporter)
        return loops

    def drain(self, deadline: Deadline) -> bool:
        """Stop receiving, finish what fits, hand back the rest; False if work was interrupted.

        The drain waits for open polls: SQS may have handed over messages that would stay hidden.
        It hands back messages after the last poll, or this process would receive them again.
        """
        self._poller.stop()
        self._start_until = lambda: deadline.handlers_until
        self._breakers.stop()
        self._isolation.stop()
        self._wait_until(lambda: self._pollers.here == 0, lambda: deadline.handlers_until)
        for _ in range(self._permits.concurrency):
            self._poller.work.put(None)
        self._wait_until(lambda: self._handlers.here == 0, lambda: deadline.handlers_until)
        self._hand_back(deadline)
        self._acks.close()
        self._wait_until(self._acks_sent.is_set, lambda: deadline.at)
        self._over.set()
        leave_until = self._now() + LEAVE_TIMEOUT
        self._wait_until(self._unprotected.is_set, lambda: deadline.at)
        self._wait_until(self._left.is_set, lambda: min(leave_until, deadline.at))
        return self._handlers.here == 0 and self._acks.backlog == 0

    def _hand_back(self, deadline: Deadline) -> None:
        """Make every message without a settlement visible to other workers.

        They become visible at once, or, with a poll still open, once it can no longer receive them.
        """
        # The leases are lost now: a handler that still ends must not settle its message.
        leases = self._leases.hand_back()
        for lease in leases:
            if lease.state is State.ABANDONED:
                fields = self._look(lease.message.body).fields()
                log.error("handler.interrupted", messageId=lease.message.id, **fields)
        if leases:
            # At most half of the time left: a message not handed back stays hidden for a long time.
            # One handed back without a record is merely handled alone.
            self._excuse(leases, min(EXCUSE_TIMEOUT, deadline.remaining() / 2))
        after = math.ceil(self._poller.open_for())
        for lease in reversed(leases):  # the last first: those of a group, against their order
            self._acks.hide(lease, after)
            self._telemetry.handed_back.inc()

    def _excuse(self, leases: Sequence[Lease], seconds: float) -> None:
        """Record that the messages come back for a known reason: they are no suspects."""
        until = self._now() + seconds
        excusing = self._admission.excuse_all(leases)
        self._wait_until(lambda: not excusing.is_alive(), lambda: until)

    def problems(self) -> list[str]:
        """List the reasons to replace this process. Never calls AWS."""
        now = self._now()
        found = []
        if now - self._leases.last_tick > self._leases.tick + STALE_TICK:
            found.append("the lease thread does not tick")
        opened = min(self._poller.polls.copy().values(), default=now)
        if now - opened > self._receive_wait + STALE_POLL:
            found.append("a poll does not return")
        if self._leases.oldest_running() > self._handler_timeout + STALE_TICK:
            found.append("a handler does not return")
        return found

    def obstacles(self) -> list[str]:
        """List the reasons why no messages are being received."""
        found = [f"{dependency} does not answer" for dependency in self._breakers.open()]
        if (pause := self._switch.pause) is not None:
            found.append(str(pause))
        elif not self._poller.receiving:
            found.append("the queue does not answer")
        if ACKS in self._permits.paused:
            found.append("the queue does not confirm settlements")
        if SUSPECT in self._permits.paused:
            found.append("a message that may have crashed a worker runs alone")
        if self._start_until is not None:
            found.append("stopping")
        return found

    def _handle(self) -> None:
        """Handle admitted messages one after the other: the loop of a handler thread."""
        while (lease := self._poller.work.get()) is not None:
            if self._may_start():
                self._consume(lease)

    def _may_start(self) -> bool:
        """While draining, start only if three times the mean duration still fits."""
        if self._start_until is None:
            return True
        return self._now() + 3 * (self._permits.mean_duration or 0.0) < self._start_until()

    def _keep_leases(self) -> None:
        while not self._over.wait(self._leases.tick):
            self._leases.renew()
            self._turns.relax()
            self._isolation.relax()
            self._switch.relax()
            self._telemetry.in_flight.set(len(self._leases))
            self._telemetry.permits_held.set(self._permits.in_use)

    def _excuse_again(self) -> None:
        while not self._over.wait(EXCUSE_EVERY):
            self._admission.excuse_again()

    def _send_acks(self) -> None:
        try:
            self._acks.run()
        finally:
            self._acks_sent.set()

    def _protect(self, protection: Protection) -> None:
        try:
            while not self._over.wait(1.0):
                protection.step(self._leases.oldest_running())
            protection.drop()
        finally:
            self._unprotected.set()

    def _report(self, reporter: Reporter) -> None:
        try:
            reporter.run(self._over)
        finally:
            self._left.set()

    def _wait_until(self, condition: Callable[[], bool], limit: Callable[[], float]) -> None:
        """Wait for a condition; a second signal moves the limit."""
        while not condition() and self._now() < limit():
            self._sleep(_GLANCE)


class _Headcount:
    """Counts the threads of one kind that still run."""

    def __init__(self, here: int) -> None:
        self.here = here
        self._lock = Lock()

    def leave_after(self, loop: Callable[[], None]) -> None:
        """Run a thread's loop and note its end, also by an exception."""
        try:
            loop()
        finally:
            with self._lock:
                self.here -= 1
