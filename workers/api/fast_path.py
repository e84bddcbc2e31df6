"""Publishes straight after the answer, so that the relay usually finds nothing to do."""

from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Final, Protocol

import structlog

from workers.envelope import Encoded
from workers.runtime.ports import Topic

# Out of the pool's 40 threads: while SNS does not answer, the rest go on taking orders.
SLOTS: Final = 10

log = structlog.get_logger()


class Outbox(Protocol):
    """What order-api needs of the outbox."""

    def mark_published_direct(self, event_ids: list[str]) -> None:
        """Take rows out of the relay's sight."""


@dataclass(frozen=True)
class FastPath:
    """One attempt, without consequences: what fails here is the relay's."""

    topic: Topic
    outbox: Outbox
    _slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(SLOTS))

    def publish(self, event: Encoded) -> None:
        """Publish and mark, unless too many are at it already."""
        if not self._slots.acquire(blocking=False):
            return
        try:
            self._attempt(event)
        except Exception as error:  # noqa: BLE001 - the customer has the answer; the relay goes on
            log.warning(
                "fast_path.failed",
                errorType=type(error).__name__,
                eventId=event.event_id,
                correlationId=event.attributes.get("correlationId"),
            )
        finally:
            self._slots.release()

    def _attempt(self, event: Encoded) -> None:
        for error in self.topic.publish([event]).values():
            raise error
        self.outbox.mark_published_direct([event.event_id])
