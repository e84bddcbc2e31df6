"""Records why each attempt failed, for the person who asks later. Decides nothing.

The record is written after the message is settled, with one request, and only if that succeeds: a
message is never lost, delayed or tried again because of its record. After a write that failed,
none is tried for ``PAUSE``, so that a table that hangs costs a handler one timeout, not one for
each message.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Final, Literal

import structlog

from workers.glimpse import Glimpse
from workers.runtime.dead_letter import first_id
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.ports import Attempt, FailedAttempt, Failure, Message, Store
from workers.runtime.settlement import name_of, text_of
from workers.runtime.stack import Stack, stack_hash

PAUSE: Final = 5.0  # s without writes after one that failed
ENDED: Final = "worker_ended"
UNEXPLAINED: Final = "nothing explains why it came back: its worker ended or lost its lease"

log = structlog.get_logger()

Look = Callable[[str], Glimpse]
Outcome = Literal["retried", "dead_lettered", "returned"]
_NO_STACK: Final = Stack("", "")


class Failures:
    """Writes the record of failed attempts of one worker. Any thread may call it."""

    def __init__(
        self,
        store: Store,
        *,
        look: Look,
        worker: str,
        version: str,
        telemetry: Telemetry,
        utcnow: Callable[[], datetime],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``look`` reads the ids of a body that cannot be decoded, and never raises."""
        self.look = look
        self._store = store
        self._worker = worker
        self._version = version
        self._telemetry = telemetry
        self._utcnow = utcnow
        self._now = now
        self._paused_until = 0.0
        self._lock = Lock()

    def described(self, failure: Failure, message: Message, error: BaseException | None) -> Failure:
        """Return a failure with the key of its record and the hash of its stack."""
        stack = stack_hash(error).hash if error is not None else ""
        return replace(failure, key=key_of(message, self.look(message.body)), stack=stack)

    def raised(
        self, message: Message, error: BaseException, outcome: Outcome, *, attempt: int = 0
    ) -> None:
        """Record an attempt that ended with an error."""
        self.ended(
            message,
            name_of(error),
            text_of(error),
            outcome,
            attempt=attempt,
            stack=stack_hash(error),
        )

    def ended(
        self,
        message: Message,
        kind: str,
        reason: str,
        outcome: Outcome,
        *,
        attempt: int = 0,
        stack: Stack = _NO_STACK,
    ) -> None:
        """Record an attempt of this worker that ended without success."""
        failed = FailedAttempt(
            message_id=message.id,
            receive_count=message.receive_count,
            at=self._time(),
            type=kind,
            reason=reason,
            outcome=outcome,
            attempt=attempt,
            stack=stack.hash,
            frame=stack.frame,
            worker=self._worker,
            version=self._version,
        )
        self._write(message, failed)

    def found(
        self, message: Message, start: Attempt | None, outcome: Outcome, *, attempt: int = 0
    ) -> None:
        """Record that the delivery before this one never reported its end.

        ``start`` is the record of its start, if there is one. Its worker may still write the true
        reason, which is kept.
        """
        failed = FailedAttempt(
            message_id=message.id,
            receive_count=message.receive_count - 1,
            at=start.at if start else self._time(),
            type=ENDED,
            reason=UNEXPLAINED,
            outcome=outcome,
            attempt=attempt,
            worker=start.worker if start else "",
        )
        self._write(message, failed, found=True)

    def _write(self, message: Message, failed: FailedAttempt, *, found: bool = False) -> None:
        about = self.look(message.body)
        self._telemetry.failed_attempt(about.event_type, failed.type, failed.outcome)
        if self._now() < self._paused_until:
            self._telemetry.failures_not_recorded.inc()
            return
        try:
            self._store.record_failure(key_of(message, about), about, failed, found=found)
        except Exception as error:  # noqa: BLE001 - a record must never cost a message
            self._telemetry.failures_not_recorded.inc()
            with self._lock:
                first = self._now() >= self._paused_until
                self._paused_until = self._now() + PAUSE
            if first:
                log.warning(
                    "failure.not_recorded",
                    messageId=message.id,
                    **about.fields(),
                    reason=text_of(error),
                )

    def _time(self) -> str:
        return self._utcnow().isoformat(timespec="milliseconds")


def key_of(message: Message, about: Glimpse) -> str:
    """Return the key of a message's record; see ``Store.record_failure``."""
    return about.key or f"message#{first_id(message)}"
