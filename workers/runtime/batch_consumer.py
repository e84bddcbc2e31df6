"""Handles messages together if their handler takes several events at once (``@handles_batch``).

A handler thread takes the messages that wait for a slot already, and never waits for more. Their
events are handled in one transaction, with an inbox row for each, and every message is settled by
itself. A message that cannot be handled together is put back, to be handled alone
(``consumer.py``); ``batch.py`` decides which.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty
from weakref import WeakSet

from workers.runtime.admission import Admission, NotAdmitted
from workers.runtime.batch import (
    MOST,
    Member,
    Members,
    Split,
    after_failure,
    distinct,
    may_join,
    without,
)
from workers.runtime.breaker import Breakers
from workers.runtime.consumer import Consumer
from workers.runtime.errors import Conflict
from workers.runtime.hold import Hold
from workers.runtime.inbox import Inbox
from workers.runtime.lease import Lease
from workers.runtime.observability.spans import Spans
from workers.runtime.poller import Poller
from workers.runtime.settlement import ENVIRONMENT, Delete


class BatchConsumer:
    """Processes and settles the messages of a service that has batch handlers."""

    def __init__(
        self,
        consumer: Consumer,
        poller: Poller,
        *,
        inbox: Inbox,
        admission: Admission,
        breakers: Breakers,
        now: Callable[[], float] = time.monotonic,
        spans: Spans | None = None,
    ) -> None:
        """``consumer`` handles messages that are alone; ``poller`` has those that wait."""
        self._consumer = consumer
        self._poller = poller
        self._inbox = inbox
        self._admission = admission
        self._breakers = breakers
        self._now = now
        self._spans = spans
        self._alone: WeakSet[Lease] = WeakSet()  # put back, to be handled alone

    def consume(self, lease: Lease) -> None:
        """Handle a message, and others that wait if they can be handled together."""
        leases = self._gather(lease)
        if len(leases) == 1:
            self._consumer.consume(lease)
            return
        try:
            with ExitStack() as spans:
                members = [Member(each, self._consumer.line(each)) for each in leases]
                if self._spans is not None:
                    for member in members:
                        spans.enter_context(self._spans.process(member.line))
                self._handle(members)
        except BaseException:
            self._admission.doubt(leases)
            raise

    def _gather(self, lease: Lease) -> list[Lease]:
        leases = [lease]
        while self._may_join(lease) and len(leases) < MOST:
            try:
                lease_or_end = self._poller.work.get_nowait()
            except Empty:
                break
            if lease_or_end is None or not self._may_join(lease_or_end):
                self._poller.work.put(lease_or_end)  # for another thread, or for this one next
                break
            leases.append(lease_or_end)
        return leases

    def _may_join(self, lease: Lease) -> bool:
        return may_join(lease) and lease not in self._alone

    def _handle(self, members: Members) -> None:
        begun = self._now()
        waiting = list(self._go_on(self._read(members)))
        while waiting:
            waiting += self._go_on(self._until_decided(waiting.pop(), begun))

    def _go_on(self, split: Split) -> tuple[Members, ...]:
        """Put back what is to be handled alone; return the batches."""
        for member in split.alone:
            member.line.outcome = "put_back"  # for its span; the line is not written
            self._alone.add(member.lease)
            self._poller.work.put(member.lease)
        return split.batches

    def _read(self, members: Members) -> Split:
        """Decode the messages."""
        try:
            with self._running(members):
                fit = [member for member in members if self._fits(member)]
        except NotAdmitted:
            return Split(alone=members)
        split = distinct(fit)
        return Split(split.batches, [*split.alone, *(m for m in members if m not in fit)])

    def _fits(self, member: Member) -> bool:
        try:
            envelope, _ = self._consumer.read(member.lease, member.line)
        except Exception:  # noqa: BLE001 - it is read again alone, and settled for that
            return False
        return self._inbox.takes_together(envelope)

    def _until_decided(self, members: Members, begun: float) -> Split:
        """Try until it is decided how each member goes on; settle those that are done."""
        hold = Hold(self._breakers, lost=lambda: _all_lost(members), now=self._now)
        again = False
        while True:
            try:
                known = self._try(members, again=again)
            except Conflict as error:
                hold.over(succeeded=False)
                return after_failure(members, error)
            except ENVIRONMENT as error:
                again = True
                if not hold.wait(error):
                    self._give_up(members, error, begun)
                    return Split()
                for member in members:
                    member.line.waited = True
            except NotAdmitted:
                hold.over(succeeded=False)
                return Split(alone=members)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                hold.over(succeeded=False)
                return after_failure(members, error)
            else:
                hold.over(succeeded=True)
                return self._finish(members, known, begun)

    def _try(self, members: Members, *, again: bool) -> frozenset[str]:
        with self._running(members):
            batch = [(member.envelope, member.lease) for member in members]
            return self._inbox.handle_together(batch, again=again)

    @contextmanager
    def _running(self, members: Members) -> Iterator[None]:
        leases = [member.lease for member in members]
        with self._admission.admitted_together(leases), self._consumer.running(*leases):
            yield

    def _finish(self, members: Members, known: frozenset[str], begun: float) -> Split:
        """Settle what is handled: all, or only what was in the inbox already."""
        for member in members:
            if not known or member.envelope.key in known:
                member.line.outcome = "repeated" if known else "handled"
                self._consumer.finish(member.lease, member.line, Delete(), begun)
        return without(members, known) if known else Split()

    def _give_up(self, members: Members, error: Exception, begun: float) -> None:
        later = False  # an excuse failed: in an outage each one may hang for seconds
        for member in members:
            member.line.error = error
            settlement = self._consumer.given_up(member.lease, error, later=later)
            later = later or self._admission.owes(member.lease)
            self._consumer.finish(member.lease, member.line, settlement, begun)


def _all_lost(members: Members) -> bool:
    return all(member.lease.lost is not None for member in members)
