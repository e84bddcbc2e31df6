"""Admission: what is on record about a message that came back, and how it is handled for that.

A first delivery costs nothing here. A message that comes back is looked up by its SQS message id,
so that even a body that kills the decoder is covered. If the worker that had it gave it back
itself, it is handled as any other. If nobody knows why it came back, it may have ended that
worker: it is a *suspect*. A suspect runs alone, and its start is on record before it runs. After
``max_attempts`` attempts on record it is not handled again but dead-lettered.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Thread
from typing import Final

import structlog

from workers.runtime.errors import PermanentError, TransientError
from workers.runtime.isolation import Isolation
from workers.runtime.leases import Lease
from workers.runtime.ports import Attempt, AttemptLog, Failure, Message, Store
from workers.runtime.settlement import ENVIRONMENT, name_of, text_of

# What a dead letter says of attempts that no worker lived to report.
WORKER_ENDED: Final = "earlier deliveries ended the worker"
HANDLER_HUNG: Final = "the handler did not return"
MAX_ERROR: Final = 200  # characters of an error that are kept with an attempt

log = structlog.get_logger()


class NotAdmitted(TransientError):
    """The message is not to be handled here and now: it waited in vain for its turn."""


class Exhausted(PermanentError):
    """The message has had its attempts. ``failure`` says how they ended."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Admission:
    """Admits messages to their handler, and keeps the record of attempts."""

    def __init__(
        self,
        store: Store,
        isolation: Isolation,
        *,
        max_attempts: int,
        worker: str,
        utcnow: Callable[[], datetime],
    ) -> None:
        """``worker`` names this process in the record."""
        self._store = store
        self._isolation = isolation
        self._max_attempts = max_attempts
        self._worker = worker
        self._utcnow = utcnow
        # Deliveries that are still to be excused: (message id, receive count) -> returned.
        self._owed: dict[tuple[str, int], bool] = {}

    @contextmanager
    def admitted(self, lease: Lease) -> Iterator[None]:
        """Wait until the message may be handled, and handle it inside the block.

        Raises ``Exhausted``, ``NotAdmitted``, and what ``Store`` raises.
        """
        lease.suspect = self._is_suspect(lease.message)
        enter = self._isolation.enter_alone if lease.suspect else self._isolation.enter
        if not enter(lease):
            raise NotAdmitted("its turn to run alone did not come")
        try:
            if lease.suspect:
                lease.recorded = True  # before it is: the reply may get lost
                self._record(lease.message, error="", returned=False)
            yield
        finally:
            self._isolation.leave(lease)

    def failed(self, lease: Lease, error: BaseException, *, returned: bool = True) -> AttemptLog:
        """Record a failed attempt and return all there have been.

        Raises ``Unavailable`` or ``FatalError``: what cannot be counted has to be tried again.
        """
        try:
            attempts = self._record(lease.message, error=_brief(error), returned=returned)
        except PermanentError as refused:
            log.warning("attempt.not_counted", messageId=lease.message.id, reason=str(refused))
            attempts = AttemptLog()
        lease.recorded = False
        return attempts

    def excuse_if_recorded(self, lease: Lease, *, ended: bool) -> None:
        """Take the start of a suspect off the record; see ``excuse``."""
        if lease.recorded:
            self.excuse(lease, ended=ended)

    def excuse(self, lease: Lease, *, ended: bool) -> None:
        """Record that this delivery is no attempt; ``ended``: the handler ran to its end.

        A message comes back for a known reason if it never did before, or did for one. A suspect
        is cleared only by running to its end: it may end the next worker that it gets so far in.
        What cannot be recorded now is recorded later, as long as this process lives.
        """
        message = lease.message
        returned = ended or message.receive_count == 1 or lease.suspect is False
        if self._excuse(message.id, message.receive_count, returned=returned):
            lease.recorded = False
        else:
            self._owed[message.id, message.receive_count] = returned

    def excuse_again(self) -> None:
        """Record what could not be recorded before; ends at the first failure."""
        for key, returned in list(self._owed.items()):
            if key in self._owed:  # not counted as an attempt meanwhile
                if not self._excuse(*key, returned=returned):
                    return
                self._owed.pop(key, None)

    def excuse_all(self, leases: Iterable[Lease]) -> Thread:
        """Record what a stopping worker knows of what it hands back, in a thread: time is short.

        Starts on record come first, because they count. A message that ended its handler's
        thread, and with that this worker, has failed an attempt and is a suspect from now on.
        """
        urgent_first = sorted(leases, key=lambda lease: not (lease.recorded or lease.broke))
        thread = Thread(target=self._excuse_each, args=(urgent_first,), name="excuse", daemon=True)
        thread.start()
        return thread

    def hung(self, lease: Lease) -> None:
        """Record that a handler did not return; never waits, because leases have to be renewed."""
        lease.recorded = False  # should it return after all, its attempt stands
        Thread(target=self._record_hung, args=(lease.message,), name="hung", daemon=True).start()

    def _excuse_each(self, leases: Iterable[Lease]) -> None:
        for lease in leases:
            if lease.broke is not None:
                self._record_broken(lease, lease.broke)
            elif lease.recorded or lease.message.receive_count == 1 or lease.suspect is False:
                self.excuse(lease, ended=False)
        self.excuse_again()

    def _record_broken(self, lease: Lease, error: BaseException) -> None:
        try:
            self.failed(lease, error, returned=False)
        except ENVIRONMENT as why:
            log.warning("attempt.not_counted", messageId=lease.message.id, reason=str(why))

    def _record_hung(self, message: Message) -> None:
        try:
            self._record(message, error=HANDLER_HUNG, returned=True)
        except (*ENVIRONMENT, PermanentError) as error:
            log.warning("attempt.not_counted", messageId=message.id, reason=str(error))

    def _excuse(self, message_id: str, receive_count: int, *, returned: bool) -> bool:
        try:
            self._store.excuse_attempt(message_id, receive_count, returned=returned)
        except (*ENVIRONMENT, PermanentError) as error:
            log.info("attempt.not_excused", messageId=message_id, reason=str(error))
            return False
        return True

    def _is_suspect(self, message: Message) -> bool:
        """Look a redelivery up. Raises ``Exhausted`` if it must not be handled again."""
        if message.receive_count == 1:
            return False
        known = self._store.attempts(message.id)
        # This delivery may be on record too, if it was tried here before: it is not earlier.
        earlier = [a for a in known.attempts if a.receive_count < message.receive_count]
        if len(earlier) >= self._max_attempts:
            raise Exhausted(failure_of(AttemptLog(tuple(earlier))))
        return known.returned != message.receive_count - 1

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
    """Say why a message is given up whose attempts are used up."""
    last = known.attempts[-1].error
    match last:
        case "":
            reason, kind = WORKER_ENDED, "worker_ended"
        case text if text == HANDLER_HUNG:
            reason, kind = HANDLER_HUNG, "handler_timeout"
        case text:
            kind, _, reason = text.partition(": ")
    return Failure(reason or kind, kind, len(known.attempts), trail=known.trail())


def _brief(error: BaseException) -> str:
    return f"{name_of(error)}: {text_of(error)}"[:MAX_ERROR]
