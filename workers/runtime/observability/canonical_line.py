"""The canonical log line of a message: one line about its whole way through a worker."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from workers.envelope import Envelope, EnvelopeError, Event
from workers.glimpse import Glimpse, fields_of, glimpse
from workers.runtime.dead_letter import first_id, redrives
from workers.runtime.errors import FatalError, PermanentError, TransientError
from workers.runtime.observability.logs import stack_of
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.ports import Message
from workers.runtime.settlement import (
    DeadLetter,
    Delete,
    HandBack,
    Retry,
    Settlement,
    name_of,
)

log = structlog.get_logger()

REDELIVERED: Final = "redelivered"
_OUTCOMES: Final = {Retry: "retried", DeadLetter: "dead_lettered", HandBack: "handed_back"}
_NAMES: Final = {
    Delete: "delete",
    Retry: "retry",
    DeadLetter: "dead_letter",
    HandBack: "hand_back",
}


@dataclass(slots=True)
class CanonicalLine:
    """The facts about one message that its log line and metrics report."""

    message: Message
    look: Callable[[str], Glimpse] = glimpse  # for a message without an envelope; never raises
    envelope: Envelope[Event] | None = None
    # handled, repeated, ignored; retried, dead_lettered, handed_back, redelivered
    outcome: str = ""
    settlement: str = ""  # delete, retry, dead_letter, hand_back; empty if the lease was lost
    lost: str = ""  # why the lease was lost
    error: Exception | None = None
    attempts: int = 0  # that failed so far
    waited: bool = False  # for the environment, in this process
    trace_id: str = ""  # of the span that handles the message, if there are spans
    _fields: dict[str, str] = field(default_factory=dict)

    def decoded(self, envelope: Envelope[Event]) -> Mapping[str, str]:
        """Keep the envelope, and return the fields that every line about it has."""
        self.envelope = envelope
        self._fields = self._complete(fields_of(envelope))
        return self._fields

    def fields(self) -> Mapping[str, str]:
        """Return the fields that every line about the message has, as far as they are known."""
        if not self._fields:
            self._fields = self._complete(self.look(self.message.body).fields())
        return self._fields

    def _complete(self, fields: dict[str, str]) -> dict[str, str]:
        if self.trace_id:
            fields["traceId"] = self.trace_id
        return {"messageId": self.message.id, **fields}

    def settle(self, settlement: Settlement | None, lost: str | None = None) -> None:
        """Set the outcome; ``settlement`` is None if the lease was lost, ``lost`` says why.

        SQS then delivers the message again: nothing is lost but time.
        """
        if settlement is None:
            self.outcome, self.lost = REDELIVERED, lost or ""
            return
        self.settlement = _NAMES[type(settlement)]
        self.outcome = _OUTCOMES.get(type(settlement), self.outcome)

    def write(self, telemetry: Telemetry, duration: float) -> None:
        """Write the line and the metrics. ``duration`` is the time since the start (s)."""
        envelope, message = self.envelope, self.message
        now = time.time()
        if message.receive_count == 1:
            telemetry.queue_age.observe(max(0.0, now - duration - message.sent_at))
        telemetry.settled(
            envelope.event_type
            if envelope
            else telemetry.label_of(self.fields().get("eventType", "")),
            self.settlement or "none",
            self.outcome,
            duration=duration,
            critical=max(0.0, now - envelope.occurred_at.timestamp()) if envelope else -1.0,
        )
        line = {
            "outcome": self.outcome,
            "durationMs": round(duration * 1_000, 1),
            "receiveCount": message.receive_count,
            **self.fields(),
        }
        if self.lost:
            line["lease"] = f"{self.lost}: SQS delivers the message again"
        if message.attributes and first_id(message) != message.id:
            line |= {"firstMessageId": first_id(message), "redrives": redrives(message)}
        if self.error is None:
            log.info("message.settled", **line)
        else:
            log.warning("message.settled", **line, **self._trouble(self.error))

    def _trouble(self, error: Exception) -> dict[str, Any]:
        line: dict[str, Any] = {"errorType": name_of(error), "reason": str(error)}
        if self.attempts:
            line["attempts"] = self.attempts
        if not isinstance(error, (TransientError, PermanentError, FatalError, EnvelopeError)):
            line["stack"] = stack_of(error)
        return line
