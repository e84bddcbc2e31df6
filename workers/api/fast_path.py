"""Publishes an event right after the response, so that the relay usually has nothing to do."""

from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Final, Protocol

import structlog

from workers.api.limits import REQUEST_THREADS
from workers.envelope import Encoded
from workers.events import OrderCreated, peek
from workers.runtime.crash import crash_point
from workers.runtime.ports import Topic
from workers.runtime.settlement import name_of

# A quarter of the request threads: the others keep accepting orders while SNS is down.
SLOTS: Final = REQUEST_THREADS // 4

log = structlog.get_logger()


class Outbox(Protocol):
    """The part of the outbox that order-api uses."""

    def mark_published_direct(self, event_ids: list[str]) -> None:
        """Mark rows as published, so that the relay skips them."""


@dataclass(frozen=True)
class FastPath:
    """Tries once to publish an event. If that fails, the relay publishes it."""

    topic: Topic
    outbox: Outbox
    # A topic that keeps order: only what has no earlier event goes past the outbox. The relay
    # publishes the others in the order of their rows, after the first if that one is still there.
    ordered: bool = False
    _slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(SLOTS))

    def publish(self, event: Encoded) -> None:
        """Publish the event and mark its row, unless all slots are busy."""
        if self.ordered and event.attributes["eventType"] != OrderCreated.type:
            return
        if not self._slots.acquire(blocking=False):
            return
        try:
            self._attempt(event)
        except Exception as error:  # noqa: BLE001 - the client has its response; the relay retries
            log.warning(
                "fast_path.failed",
                errorType=name_of(error),
                **peek(event.body).fields(),
            )
        finally:
            self._slots.release()

    def _attempt(self, event: Encoded) -> None:
        crash_point("api.answered")
        for error in self.topic.publish([event]).values():
            raise error
        crash_point("api.published")
        self.outbox.mark_published_direct([event.event_id])
        crash_point("api.marked")
