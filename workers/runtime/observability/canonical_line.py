"""The canonical log line of a message: one line about its whole way through a worker."""

import time
from dataclasses import dataclass
from typing import Any, Final

import structlog

from workers.envelope import Envelope, EnvelopeError, Event
from workers.runtime.errors import FatalError, PermanentError, TransientError
from workers.runtime.observability.logs import stack_of
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.ports import Message
from workers.runtime.settlement import DeadLetter, Delete, HandBack, Retry, Settlement

log = structlog.get_logger()

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
    envelope: Envelope[Event] | None = None
    outcome: str = ""  # handled, repeated, ignored; retried, dead_lettered, handed_back; lost
    settlement: str = ""  # delete, retry, dead_letter, hand_back; empty if lost
    error: Exception | None = None
    attempts: int = 0  # that failed so far
    waited: bool = False  # for the environment, in this process

    def settle(self, settlement: Settlement | None) -> None:
        """Set the outcome; ``settlement`` is None if the lease was lost."""
        if settlement is None:
            self.outcome = "lost"
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
            envelope.event_type if envelope else "unreadable",
            self.settlement or "none",
            self.outcome,
            duration=duration,
            critical=max(0.0, now - envelope.occurred_at.timestamp()) if envelope else -1.0,
        )
        line = self._line(duration)
        if self.error is None:
            log.info("message.settled", **line)
        else:
            log.warning("message.settled", **line, **self._trouble(self.error))

    def _line(self, duration: float) -> dict[str, Any]:
        line: dict[str, Any] = {
            "outcome": self.outcome,
            "durationMs": round(duration * 1_000, 1),
            "receiveCount": self.message.receive_count,
            "messageId": self.message.id,
        }
        if self.envelope is not None:
            line |= {
                "eventType": self.envelope.event_type,
                "eventId": self.envelope.event_id,
                "correlationId": self.envelope.correlation_id,
                **self.envelope.data.subject,
                "source": self.envelope.source,
            }
        return line

    def _trouble(self, error: Exception) -> dict[str, Any]:
        line: dict[str, Any] = {"errorType": type(error).__name__, "reason": str(error)}
        if self.attempts:
            line["attempts"] = self.attempts
        if not isinstance(error, (TransientError, PermanentError, FatalError, EnvelopeError)):
            line["stack"] = stack_of(error)
        return line
