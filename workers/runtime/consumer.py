"""THE HEART: what happens to a message, from its start to its settlement.

    decode -> handled before? -> handler -> commit -> publish outcomes -> settle

1. ``process`` decodes the message and lets the service handle the event, once: one transaction
   holds the effect, the inbox row and the outcomes (``inbox.py``).
2. The outcomes are published.
3. Only then is the message settled: deleted, hidden for a retry, or moved to the dead-letter
   queue with the reason.

A crash at any point leaves the message in the queue. It is received again, finds the inbox row,
and publishes the same outcomes under the same ids: the undeleted message is the reminder.
"""

import math
import time
from collections.abc import Callable

import structlog
from structlog.contextvars import bound_contextvars

from workers.envelope import Envelope, decode
from workers.events import Event
from workers.runtime.acks import Acks
from workers.runtime.breaker import Breakers
from workers.runtime.crash import crash_point
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.inbox import Inbox
from workers.runtime.leases import Lease, Leases
from workers.runtime.permits import Permits
from workers.runtime.ports import Outcomes, Queue, Topic
from workers.runtime.settlement import (
    DeadLetter,
    Delete,
    Retry,
    Settlement,
    full_jitter,
    is_attempt,
    settlement_for,
)
from workers.runtime.story import Story
from workers.runtime.telemetry import Telemetry

log = structlog.get_logger()


class Consumer:
    """Processes and settles the messages of one service's queue."""

    def __init__(
        self,
        *,
        queue: Queue,
        topic: Topic,
        inbox: Inbox,
        permits: Permits,
        leases: Leases,
        acks: Acks,
        breakers: Breakers,
        telemetry: Telemetry,
        max_attempts: int,
        max_receives: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._topic = topic
        self._inbox = inbox
        self._permits = permits
        self._leases = leases
        self._acks = acks
        self._breakers = breakers
        self._telemetry = telemetry
        self._max_attempts = max_attempts
        self._max_receives = max_receives
        self._now = now
        self._ignored: set[str] = set()

    def consume(self, lease: Lease) -> None:
        """Take one message from its start to its settlement."""
        story = Story(lease.message)
        started = self._leases.start(lease)
        crash_point("started")
        self._telemetry.slot_wait.observe(started - lease.received_at)
        settlement = self._attempt(lease, story)
        duration = self._now() - started
        waited = lease.started_at != started  # an outage says nothing about the handler's pace
        lease.started_at = None
        story.settle(self.settle(lease, settlement))
        self._permits.finished(None if waited else duration)
        story.tell(self._telemetry, duration)

    def process(self, lease: Lease, story: Story) -> None:
        """Handle the event once, and publish its outcomes at least once."""
        envelope = story.envelope = decode(lease.message.body)
        crash_point("decoded")
        if not self._inbox.takes(envelope):
            self._ignore(envelope)
            story.outcome = "ignored"
            return
        with bound_contextvars(eventId=envelope.event_id, correlationId=envelope.correlation_id):
            record = self._inbox.handle(envelope, lease)
        self._publish(record.outcomes)
        crash_point("published")
        story.outcome = "repeated" if record.repeated else "handled"

    def settle(self, lease: Lease, settlement: Settlement) -> Settlement | None:
        """Carry out a settlement and return what became of it.

        A lost lease forbids it: the message is not ours any more, and the answer is None.
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
        return settlement

    def _dead_letter(self, lease: Lease, settlement: DeadLetter) -> Settlement:
        """Send the copy; if that fails, whatever the reason, the message stays where it is."""
        try:
            # Send before delete: a crash in between leaves a duplicate, never a loss.
            self._queue.dead_letter(lease.message, settlement.failure)
            crash_point("dead_lettered")
        except (Unavailable, FatalError, PermanentError) as error:
            log.warning("dead_letter.postponed", reason=str(error))
            return Retry(full_jitter(lease.message.receive_count))
        return settlement

    def _attempt(self, lease: Lease, story: Story) -> Settlement:
        """Process the message until it is known how it ends.

        While the breaker of a dependency is open, the message stays here and is tried again.
        """
        probing: str | None = None
        while True:
            try:
                self.process(lease, story)
            except (Unavailable, FatalError) as error:
                story.error = outage = _outage(error)
                if probing != outage.dependency:
                    self._breakers.abandon(probing)
                if not self._outlast(outage, lease):
                    return self._settlement_after(outage, story)
                probing = outage.dependency
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is decided here
                story.error = error
                self._breakers.abandon(probing)
                return self._settlement_after(error, story)
            else:
                story.error = None
                self._breakers.succeeded(probing)
                return Delete()

    def _outlast(self, outage: Unavailable, lease: Lease) -> bool:
        """Wait for the dependency if its breaker is open; False if the message cannot stay."""
        if not self._breakers.failed(outage.dependency, str(outage)):
            return False
        lease.started_at = None  # waiting is not handling
        again = self._breakers.wait(outage.dependency, lambda: lease.lost is not None)
        self._leases.start(lease)
        return again

    def _settlement_after(self, error: Exception, story: Story) -> Settlement:
        if is_attempt(error) and story.envelope is not None:
            try:
                story.attempts = self._inbox.count_attempt(story.envelope, error)
            except Exception as also:  # noqa: BLE001 - what cannot be counted is tried again
                log.warning("attempt.not_counted", reason=str(also))
        return settlement_for(
            error,
            attempts=story.attempts,
            max_attempts=self._max_attempts,
            receive_count=story.message.receive_count,
            max_receives=self._max_receives,
        )

    def _publish(self, outcomes: Outcomes) -> None:
        if outcomes and (refused := self._topic.publish(outcomes)):
            # What may be accepted later first: a message in the DLQ publishes nothing more.
            raise min(refused.values(), key=lambda error: isinstance(error, PermanentError))

    def _ignore(self, envelope: Envelope[Event]) -> None:
        if envelope.event_type not in self._ignored:
            self._ignored.add(envelope.event_type)
            log.warning("event.not_handled", eventType=envelope.event_type)


def _outage(error: Unavailable | FatalError) -> Unavailable:
    """Take a refused access for an outage: no message is to blame, and somebody will mend it."""
    return error if isinstance(error, Unavailable) else Unavailable(str(error), dependency="access")
