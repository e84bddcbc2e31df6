"""Admission: looks up messages that came back, and keeps the record of attempts.

A first delivery costs nothing here. A message that comes back is looked up by its SQS message id,
which covers even a body that crashes the decoder. If the previous worker handed it back itself, it
is handled like any other. If the reason is unknown, it may have crashed that worker: it is a
*suspect*. A suspect runs alone, and its start is recorded before it runs. After ``max_attempts``
recorded attempts it is dead-lettered instead of being handled again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Thread
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from workers.runtime.errors import PermanentError, TransientError
from workers.runtime.failures import ENDED, Failures, Outcome
from workers.runtime.isolation import Isolation
from workers.runtime.lease import Lease
from workers.runtime.ports import Attempt, AttemptLog, Failure, Message, Store
from workers.runtime.settlement import ENVIRONMENT, name_of, text_of

# The reasons in a dead letter for attempts that no worker survived to report.
WORKER_ENDED: Final = "earlier deliveries ended the worker"
HANDLER_HUNG: Final = "the handler did not return"
HANDLER_TIMEOUT: Final = "handler_timeout"
NO_ATTEMPTS: Final = AttemptLog()
MAX_ERROR: Final = 200  # characters of an error kept with an attempt

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Standing:
    """Facts about a delivery as an attempt. ``Admission`` keeps them."""

    suspect: bool | None = None  # it may have ended earlier workers; None before it is known
    earlier: AttemptLog = NO_ATTEMPTS  # at earlier deliveries
    recorded: bool = False  # its start is on record as an attempt, or may be
    broke: BaseException | None = None  # the error that ended its handler's thread

    @property
    def counts(self) -> bool:
        """True if this delivery counts as an attempt unless it is excused."""
        return self.recorded or self.broke is not None


class NotAdmitted(TransientError):
    """The message waited too long for its turn, and is not handled now."""

    name = "not_admitted"


class Exhausted(PermanentError):
    """The message has used up its attempts. ``failure`` says how they ended."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.name = failure.type


class Admission:
    """Admits messages to their handler, and keeps the record of attempts."""

    def __init__(
        self,
        store: Store,
        isolation: Isolation,
        failures: Failures,
        *,
        max_attempts: int,
        worker: str,
        utcnow: Callable[[], datetime],
    ) -> None:
        """``worker`` identifies this process in the record."""
        self._store = store
        self._isolation = isolation
        self._failures = failures
        self._max_attempts = max_attempts
        self._worker = worker
        self._utcnow = utcnow
        # Deliveries still to be excused: (message id, receive count) -> returned.
        self._owed: dict[tuple[str, int], bool] = {}
        # Of deliveries that differ from a first one without trouble; forgotten with their lease.
        self._standings: WeakKeyDictionary[Lease, Standing] = WeakKeyDictionary()
        self._in_batches: set[Lease] = set()  # handled together with others at this moment

    @contextmanager
    def admitted(self, lease: Lease) -> Iterator[None]:
        """Wait until the message may be handled; the caller handles it inside the block.

        Raises ``Exhausted``, ``NotAdmitted``, and what ``Store`` raises.
        """
        suspect = self._is_suspect(lease)
        enter = self._isolation.enter_alone if suspect else self._isolation.enter
        if not enter(lease):
            raise NotAdmitted("timed out waiting for its turn to run")
        try:
            if suspect:
                self._standing(lease).recorded = True  # set first: the reply may get lost
                self._record(lease.message, error="", returned=False)
                self._note_last_delivery(lease, "returned")
            yield
        finally:
            self._isolation.leave(lease)

    @contextmanager
    def admitted_together(self, leases: Collection[Lease]) -> Iterator[None]:
        """Wait until first deliveries may be handled as a batch; the caller does so in the block.

        Raises ``NotAdmitted``.
        """
        if not self._isolation.enter(*leases):
            raise NotAdmitted("timed out waiting for its turn to run")
        self._in_batches.update(leases)
        try:
            yield
        finally:
            self._in_batches.difference_update(leases)
            self._isolation.leave(*leases)

    def failed(self, lease: Lease, error: BaseException, *, returned: bool = True) -> AttemptLog:
        """Record a failed attempt and return all attempts so far.

        Raises ``Unavailable`` or ``FatalError``: an attempt that cannot be counted is tried again.
        """
        try:
            attempts = self._record(lease.message, error=_brief(error), returned=returned)
        except PermanentError as refused:
            self._warn("attempt.not_counted", lease.message, refused)
            attempts = AttemptLog()
        self._standing(lease).recorded = False
        return attempts

    def earlier(self, lease: Lease) -> AttemptLog:
        """Return the recorded attempts of earlier deliveries of the message."""
        standing = self._standings.get(lease)
        return standing.earlier if standing else NO_ATTEMPTS

    def excuse_if_recorded(self, lease: Lease, *, ended: bool) -> None:
        """Remove the start of a suspect from the record; see ``excuse``."""
        if self.is_recorded(lease):
            self.excuse(lease, ended=ended)

    def is_recorded(self, lease: Lease) -> bool:
        """Return whether the start of this delivery is on record, or may be."""
        standing = self._standings.get(lease)
        return standing is not None and standing.recorded

    def excuse(self, lease: Lease, *, ended: bool, later: bool = False) -> None:
        """Record that this delivery does not count as an attempt.

        ``ended`` means that the handler ran to its end. Only that clears a suspect: until then it
        may still crash the next worker. If the record cannot be written now, this process tries
        again later. ``later`` leaves the request to ``excuse_again``, as after a failure.
        """
        message = lease.message
        returned = ended or self._is_cleared(lease)
        if not later and self._excuse(message.id, message.receive_count, returned=returned):
            self._standing(lease).recorded = False
        else:
            self._owed[message.id, message.receive_count] = returned

    def owes(self, lease: Lease) -> bool:
        """Return whether this delivery is still to be excused."""
        return (lease.message.id, lease.message.receive_count) in self._owed

    def excuse_again(self) -> None:
        """Write the excuses that failed before; stop at the first failure."""
        for key, returned in list(self._owed.items()):
            if key in self._owed:  # not counted as an attempt in the meantime
                if not self._excuse(*key, returned=returned):
                    return
                self._owed.pop(key, None)

    def excuse_all(self, leases: Iterable[Lease]) -> Thread:
        """Excuse the messages that a stopping worker hands back, in a thread: time is short.

        Recorded starts come first, because they count. A message that crashed its handler's
        thread, and with it this worker, has failed an attempt and is a suspect from now on.
        """
        urgent_first = sorted(leases, key=lambda lease: not self._standing(lease).counts)
        thread = Thread(target=self._excuse_each, args=(urgent_first,), name="excuse", daemon=True)
        thread.start()
        return thread

    def excuse_waiting(self, leases: Iterable[Lease], *, later: bool = False) -> None:
        """Record that messages are handed back that waited for their turn and never started.

        One that was no suspect when it was received is none when it comes back. ``later`` leaves
        the request to ``excuse_again``, as after a failure.
        """
        for lease in leases:
            message = lease.message
            key = message.id, message.receive_count
            if later and message.receive_count == 1:
                self._owed[key] = True
            elif not later and self._is_innocent(message) and not self._excuse(*key, returned=True):
                self._owed[key] = later = True

    def broken(self, lease: Lease, error: BaseException) -> None:
        """Note that a message crashed the thread of its handler, and so ends this worker."""
        self._standing(lease).broke = error

    def doubt(self, leases: Iterable[Lease]) -> None:
        """Note that one of these messages crashed the thread of their batch.

        Nobody knows which one, so no attempt is counted. Each is a suspect when it comes back.
        """
        for lease in leases:
            self._standing(lease).suspect = True

    def hung(self, lease: Lease) -> None:
        """Record that a handler did not return. Never blocks: leases have to be renewed.

        Of a batch nobody knows which event did it, so no attempt is counted: nothing explains its
        messages when they come back, and each runs alone.
        """
        if lease in self._in_batches:
            record = partial(
                self._failures.ended, lease.message, HANDLER_TIMEOUT, HANDLER_HUNG, "returned"
            )
        else:
            self._standing(lease).recorded = False  # if it returns after all, its attempt stands
            record = partial(self._record_hung, lease.message)
        Thread(target=record, name="hung", daemon=True).start()

    def _excuse_each(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            standing = self._standing(lease)
            if standing.broke is not None:
                self._record_broken(lease, standing.broke)
            elif standing.recorded or self._is_cleared(lease):
                self.excuse(lease, ended=False)
        self.excuse_again()

    def _record_broken(self, lease: Lease, error: BaseException) -> None:
        message, count = lease.message, 0
        try:
            count = len(self.failed(lease, error, returned=False).attempts)
        except ENVIRONMENT as why:
            self._warn("attempt.not_counted", message, why)
        self._failures.raised(message, error, "returned", attempt=count)

    def _record_hung(self, message: Message) -> None:
        count = 0
        try:
            known = self._record(message, error=HANDLER_HUNG, returned=True)
            count = len(known.attempts)
        except (*ENVIRONMENT, PermanentError) as error:
            self._warn("attempt.not_counted", message, error)
        self._failures.ended(message, HANDLER_TIMEOUT, HANDLER_HUNG, "returned", attempt=count)

    def _excuse(self, message_id: str, receive_count: int, *, returned: bool) -> bool:
        try:
            self._store.excuse_attempt(message_id, receive_count, returned=returned)
        except (*ENVIRONMENT, PermanentError) as error:
            log.info("attempt.not_excused", messageId=message_id, reason=str(error))
            return False
        return True

    def _standing(self, lease: Lease) -> Standing:
        standing = self._standings.get(lease)
        if standing is None:
            standing = self._standings[lease] = Standing()
        return standing

    def _is_innocent(self, message: Message) -> bool:
        """Look up whether a message that did not start came back for a known reason, if at all."""
        try:
            before = message.receive_count - 1
            return before == 0 or self._store.attempts(message.id).returned == before
        except (*ENVIRONMENT, PermanentError):
            return False  # it may be a suspect, which merely runs alone

    def _is_cleared(self, lease: Lease) -> bool:
        """Return whether nothing speaks against the message: it is new, or its return explained."""
        suspect = self._standing(lease).suspect
        return suspect is False or (suspect is None and lease.message.receive_count == 1)

    def _is_suspect(self, lease: Lease) -> bool:
        """Look up a redelivery. Raises ``Exhausted`` if it must not be handled again."""
        message = lease.message
        if message.receive_count == 1:
            return False
        known = self._store.attempts(message.id)
        # This delivery may be on record too, if it was tried here before: leave it out.
        earlier = tuple(a for a in known.attempts if a.receive_count < message.receive_count)
        standing = self._standing(lease)
        standing.earlier = AttemptLog(earlier, known.returned)
        if len(earlier) >= self._max_attempts:
            self._note_last_delivery(lease, "dead_lettered")
            raise Exhausted(failure_of(standing.earlier))
        standing.suspect = known.returned != message.receive_count - 1
        return standing.suspect

    def _note_last_delivery(self, lease: Lease, outcome: Outcome) -> None:
        """Record that the delivery before this one reported no end, if that is so."""
        message, earlier = lease.message, self._standing(lease).earlier
        before = message.receive_count - 1
        start = next((a for a in earlier.attempts if a.receive_count == before), None)
        if start is not None and not start.error:
            count = len(earlier.attempts)
            self._failures.found(message, start, outcome, attempt=count)
        elif start is None and outcome == "returned" and earlier.returned == before - 1:
            # No suspect yet, so its start is not on record.
            self._failures.found(message, None, outcome)

    def _warn(self, event: str, message: Message, error: Exception) -> None:
        fields = self._failures.look(message.body).fields()
        log.warning(event, messageId=message.id, **fields, reason=str(error))

    def _record(self, message: Message, *, error: str, returned: bool) -> AttemptLog:
        self._owed.pop((message.id, message.receive_count), None)
        attempt = Attempt(
            receive_count=message.receive_count,
            at=self._utcnow().isoformat(timespec="seconds"),
            worker=self._worker,
            error=error,
        )
        return self._store.record_attempt(message.id, attempt, returned=returned)


def failure_of(known: AttemptLog) -> Failure:
    """Return why a message with no attempts left is given up."""
    last = known.attempts[-1].error
    match last:
        case "":
            reason, kind = WORKER_ENDED, ENDED
        case text if text == HANDLER_HUNG:
            reason, kind = HANDLER_HUNG, HANDLER_TIMEOUT
        case text:
            kind, _, reason = text.partition(": ")
    return Failure(reason or kind, kind, len(known.attempts), trail=known.trail())


def _brief(error: BaseException) -> str:
    return f"{name_of(error)}: {text_of(error)}"[:MAX_ERROR]
