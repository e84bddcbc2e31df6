"""THE HEART: takes a message from its start to its settlement.

    admitted? -> decode -> handled before? -> handler -> commit -> publish outcomes -> settle

1. A message that came back is looked up first (``admission.py``): has it crashed earlier workers?
2. ``process`` decodes the message and lets the service handle the event, once: one transaction
   holds the effect, the inbox row and the outcomes (``inbox.py``).
3. The outcomes are published.
4. Only then is the message settled: deleted, hidden for a retry, or moved to the dead-letter
   queue with the reason.

A crash at any point leaves the message in the queue. It is received again, the inbox row is found,
and the same outcomes are published under the same ids. The undeleted message is the reminder.

A failure of the environment (an outage, a conflict with another transaction) is not the message's
fault. The message stays here, its lease renewed, and is tried again. After ``HOLD`` seconds it goes
back to the queue for a while. Such failures never lead to the dead-letter queue.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from workers.envelope import Envelope, Event
from workers.runtime.acks import Acks
from workers.runtime.admission import Admission, Exhausted, NotAdmitted
from workers.runtime.breaker import Breakers
from workers.runtime.crash import crash_point
from workers.runtime.errors import LeaseLost, PermanentError
from workers.runtime.failures import Failures, Outcome
from workers.runtime.groups import Turns
from workers.runtime.hold import Hold
from workers.runtime.inbox import Inbox
from workers.runtime.lease import Lease
from workers.runtime.leases import LOSSES, Leases
from workers.runtime.observability.canonical_line import CanonicalLine
from workers.runtime.observability.logs import about
from workers.runtime.observability.spans import Spans
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.payloads import LargeEvents
from workers.runtime.permits import Permits
from workers.runtime.ports import AttemptLog, Failure, Outcomes, Queue, Topic
from workers.runtime.settlement import (
    ENVIRONMENT,
    DeadLetter,
    Delete,
    HandBack,
    Retry,
    Settlement,
    is_attempt,
    name_of,
    postponement,
    settlement_for,
    text_of,
)

log = structlog.get_logger()


class Consumer:
    """Processes and settles the messages of one service's queue."""

    def __init__(
        self,
        *,
        queue: Queue,
        topic: Topic,
        inbox: Inbox,
        admission: Admission,
        failures: Failures,
        permits: Permits,
        leases: Leases,
        acks: Acks,
        turns: Turns,
        breakers: Breakers,
        telemetry: Telemetry,
        decode: Callable[[str], Envelope[Event]],
        max_attempts: int,
        max_receives: int,
        now: Callable[[], float] = time.monotonic,
        spans: Spans | None = None,
        large: LargeEvents | None = None,
    ) -> None:
        self._queue = queue
        self._topic = topic
        self._inbox = inbox
        self._admission = admission
        self._failures = failures
        self._permits = permits
        self._leases = leases
        self._acks = acks
        self._turns = turns
        self._breakers = breakers
        self._telemetry = telemetry
        self._decode = decode
        self._max_attempts = max_attempts
        self._max_receives = max_receives
        self._now = now
        self._spans = spans
        self._large = large
        self._ignored: set[str] = set()

    def consume(self, lease: Lease) -> None:
        """Handle one message and settle it."""
        line = self.line(lease)
        try:
            if self._spans is None:
                self._consume(lease, line)
            else:
                with self._spans.process(line):
                    self._consume(lease, line)
        except BaseException as error:
            self._admission.broken(lease, error)
            raise

    def line(self, lease: Lease) -> CanonicalLine:
        """Start the log line of a message."""
        return CanonicalLine(lease.message, self._failures.look)

    def _consume(self, lease: Lease, line: CanonicalLine) -> None:
        begun = self._now()
        self.finish(lease, line, self._until_settled(lease, line), begun)

    def finish(
        self, lease: Lease, line: CanonicalLine, settlement: Settlement, begun: float
    ) -> None:
        """Settle a message whose handling began at ``begun`` (monotonic), and report it."""
        # A message delivered again meanwhile was received after it began.
        self._telemetry.slot_wait.observe(max(0.0, begun - lease.received_at))
        duration = self._now() - begun
        settled = self.settle(lease, self._described(settlement, line))
        line.settle(settled, lease.lost)
        line.write(self._telemetry, duration)
        self._record_failure(lease, line, settled)
        passed_on = bool(lease.message.group) and self._end_turn(lease, settled)
        self._permits.finished(None if line.waited else duration, passed_on=passed_on)

    def process(self, lease: Lease, line: CanonicalLine) -> None:
        """Handle the event once, and publish its outcomes at least once."""
        envelope, fields = self.read(lease, line)
        if not self._inbox.takes(envelope):
            self._ignore(envelope, fields)
            line.outcome = "ignored"
            return
        with about(fields):
            record = self._inbox.handle(envelope, lease, again=line.waited)
            self._publish(record.outcomes)
        crash_point("published")
        line.outcome = "repeated" if record.repeated else "handled"

    def read(self, lease: Lease, line: CanonicalLine) -> tuple[Envelope[Event], Mapping[str, str]]:
        """Decode a message; return its event, and the fields of every log line about it."""
        message = lease.message
        envelope = self._large.read(message) if self._large else self._decode(message.body)
        fields = line.decoded(envelope)
        crash_point("decoded")
        return envelope, fields

    def settle(self, lease: Lease, settlement: Settlement) -> Settlement | None:
        """Carry out a settlement and return the one that was made.

        Returns None if the lease is lost: another worker may own the message.
        """
        if lease.lost is None and isinstance(settlement, DeadLetter):
            settlement = self._dead_letter(lease, settlement)
        if lease.lost is not None:
            self._leases.close(lease)
            return None
        match settlement:
            case Retry(delay):
                self._acks.hide(lease, math.ceil(delay))
            case Delete() | DeadLetter():
                self._acks.delete(lease)
            case HandBack():
                pass  # it stays in the table until the drain hands it back
        return settlement

    def _end_turn(self, lease: Lease, settled: Settlement | None) -> bool:
        """Let the group of the message go on; True if its next message starts at once.

        Only after a message that was handled: its inbox row shows so, even if the delete is lost.
        """
        if isinstance(settled, HandBack):
            return False  # the drain hands back the whole lane
        return self._turns.end(lease, handled=settled == Delete())

    def _dead_letter(self, lease: Lease, settlement: DeadLetter) -> Settlement:
        """Send the copy; if that fails for any reason, postpone the message instead."""
        try:
            # Send before delete: a crash in between leaves a duplicate, never a loss.
            self._queue.dead_letter(lease.message, settlement.failure)
            crash_point("dead_lettered")
        except Exception as error:  # noqa: BLE001 - the message must not be lost
            fields = self._failures.look(lease.message.body).fields()
            log.warning(
                "dead_letter.postponed",
                messageId=lease.message.id,
                **fields,
                errorType=name_of(error),
                reason=str(error),
            )
            return postponement(error, lease.message.receive_count)
        return settlement

    def _described(self, settlement: Settlement, line: CanonicalLine) -> Settlement:
        if not isinstance(settlement, DeadLetter):
            return settlement
        error = None if isinstance(line.error, Exhausted) else line.error
        return DeadLetter(self._failures.described(settlement.failure, line.message, error))

    def _record_failure(
        self, lease: Lease, line: CanonicalLine, settlement: Settlement | None
    ) -> None:
        """Record the attempt that ended here, if it failed."""
        error, message = line.error, lease.message
        match settlement:
            case DeadLetter(failure) if isinstance(error, (*ENVIRONMENT, NotAdmitted)):
                self._failures.ended(message, failure.type, failure.reason, "dead_lettered")
                return
            case Retry():
                outcome: Outcome = "retried"
            case DeadLetter():
                outcome = "dead_lettered"
            case None if lease.lost in LOSSES:
                outcome = "returned"
            case _:  # handled; or handed back, which is no attempt; or recorded when it hung
                return
        if error is None or isinstance(error, (*ENVIRONMENT, NotAdmitted, Exhausted)):
            return
        self._failures.raised(message, error, outcome, attempt=line.attempts)

    def _until_settled(self, lease: Lease, line: CanonicalLine) -> Settlement:
        """Try until the settlement is decided."""
        hold = Hold(self._breakers, lost=lambda: lease.lost is not None, now=self._now)
        while True:
            try:
                settlement = self._try(lease, line)
            except ENVIRONMENT as error:
                line.error = error
                # Keep a message whose recorded start was not excused: handed back, it would count.
                if not hold.wait(error, forever=self._admission.is_recorded(lease)):
                    return self.given_up(lease, error)
                line.waited = True
            else:
                hold.over(succeeded=settlement == Delete())
                return settlement

    def _try(self, lease: Lease, line: CanonicalLine) -> Settlement:
        """Handle the message once. Raises the exceptions in ``ENVIRONMENT``."""
        line.error = None
        try:
            with self._admission.admitted(lease):
                self._run(lease, line)
        except Exhausted as end:
            line.error, line.attempts = end, end.failure.attempts
            return DeadLetter(end.failure)
        except NotAdmitted as error:
            line.error = error
            return self.given_up(lease, error)
        except ENVIRONMENT:
            self._admission.excuse_if_recorded(lease, ended=False)
            raise
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            line.error = error
            return self._settlement_after(error, lease, line)
        self._admission.excuse_if_recorded(lease, ended=True)
        return Delete()

    def _run(self, lease: Lease, line: CanonicalLine) -> None:
        with self.running(lease):
            self.process(lease, line)

    @contextmanager
    def running(self, *leases: Lease) -> Iterator[None]:
        """Note that the handler of messages runs, for as long as the block does."""
        for lease in leases:
            self._leases.start(lease)
        crash_point("started")
        try:
            yield
        finally:
            for lease in leases:
                self._leases.wait(lease)

    def given_up(self, lease: Lease, error: Exception, *, later: bool = False) -> Settlement:
        """Decide the settlement of a message that is not held any longer.

        ``later`` leaves the record of that to the excuse thread; see ``Admission.excuse``.
        """
        if self._breakers.stopped or lease.lost is not None:
            return HandBack()
        return self._postponed(lease, error, later=later)

    def _postponed(self, lease: Lease, error: Exception, *, later: bool) -> Settlement:
        receive_count = lease.message.receive_count
        if receive_count >= self._max_receives:
            # SQS would dead-letter it without a reason. Postponements alone never get here.
            reason = f"received {receive_count} times, last error: {text_of(error)}"
            return DeadLetter(Failure(reason, "receives_exhausted", 0))
        self._admission.excuse(lease, ended=False, later=later)
        return postponement(error, receive_count)

    def _settlement_after(self, error: Exception, lease: Lease, line: CanonicalLine) -> Settlement:
        """Decide the settlement after an error. Raises if the attempt cannot be counted."""
        attempts = AttemptLog()
        if is_attempt(error):
            attempts = self._admission.failed(lease, error)
            line.attempts = len(attempts.attempts)
        else:
            attempts = self._admission.earlier(lease)
            line.attempts = 0 if isinstance(error, LeaseLost) else len(attempts.attempts) + 1
            self._admission.excuse_if_recorded(lease, ended=True)
        return settlement_for(
            error,
            attempts=attempts,
            max_attempts=self._max_attempts,
            receive_count=lease.message.receive_count,
        )

    def _publish(self, outcomes: Outcomes) -> None:
        if outcomes and (refused := self._topic.publish(outcomes)):
            # Raise a transient error first: a message in the DLQ publishes nothing more.
            raise min(refused.values(), key=lambda error: isinstance(error, PermanentError))

    def _ignore(self, envelope: Envelope[Event], fields: Mapping[str, str]) -> None:
        if envelope.event_type not in self._ignored:
            self._ignored.add(envelope.event_type)
            log.warning("event.not_handled", **fields)
