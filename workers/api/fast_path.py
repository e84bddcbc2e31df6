"""Publishes events right after the response, so that the relay usually has nothing to do.

Events that come while SNS has not answered share the next request, as in ``runtime.publisher``: a
lone event never waits. The event loop decides this, so there is no lock, and no thread waits.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from anyio.to_thread import run_sync

from workers.api.limits import MAX_IN_FLIGHT, REQUEST_THREADS
from workers.envelope import Encoded
from workers.events import OrderCreated, peek
from workers.limits import MAX_BATCH
from workers.runtime.crash import crash_point
from workers.runtime.errors import Conflict
from workers.runtime.ports import Topic
from workers.runtime.publisher import LONGEST_WAIT
from workers.runtime.settlement import name_of

# A quarter of the request threads, and half of the requests in flight, which last until their
# events are published: the others keep accepting orders while SNS is down.
SLOTS: Final = REQUEST_THREADS // 4  # batches, with a thread each
MAX_EVENTS: Final = MAX_IN_FLIGHT // 2

log = structlog.get_logger()


class Outbox(Protocol):
    """The part of the outbox that order-api uses."""

    def mark_published_direct(self, event_ids: list[str]) -> None:
        """Mark rows as published, so that the relay skips them."""


@dataclass(eq=False)
class _Batch:
    """The events of one request to SNS."""

    turn: "asyncio.Future[None]"  # done once the batch is closed and may be sent
    events: list[Encoded] = field(default_factory=list)
    sending: "asyncio.Task[None] | None" = None


@dataclass
class FastPath:
    """Tries once to publish an event. If that fails, the relay publishes it.

    Not thread-safe: all calls come from the event loop.
    """

    topic: Topic
    outbox: Outbox
    # A topic that keeps order: only what has no earlier event goes past the outbox. The relay
    # publishes the others in the order of their rows, after the first if that one is still there.
    ordered: bool = False
    longest_wait: float = LONGEST_WAIT  # s for the request under way
    _open: _Batch | None = None  # can be joined
    _under_way: int = 0  # requests to SNS
    _late: bool = False  # the open batch waits for a slot
    _batches: int = 0  # under way, or about to be marked
    _events: int = 0  # of these and of the open batch

    async def publish(self, event: Encoded) -> None:
        """Publish the event and mark its row, unless too many are under way."""
        if self.ordered and event.attributes["eventType"] != OrderCreated.type:
            return
        batch = self._open
        if self._events >= MAX_EVENTS or (batch and len(batch.events) == MAX_BATCH):
            return
        batch = batch or self._begin()
        batch.events.append(event)
        self._events += 1
        if self._under_way == 0 or len(batch.events) == MAX_BATCH:
            self._close(batch)
        if batch.sending is None:
            batch.sending = asyncio.create_task(self._send(batch))
        # A request may be cancelled at the end of a drain; the others of the batch are not.
        await asyncio.shield(batch.sending)

    def _begin(self) -> _Batch:
        loop = asyncio.get_running_loop()
        batch = self._open = _Batch(loop.create_future())
        loop.call_later(self.longest_wait, self._close, batch)
        return batch

    def _close(self, batch: _Batch) -> None:
        """Send the batch, or let it go on waiting for a slot."""
        if self._open is not batch or batch.turn.done():  # cancelled at the end of a drain
            return
        self._late = self._batches >= SLOTS
        if not self._late:
            self._open = None
            self._batches += 1
            self._under_way += 1
            batch.turn.set_result(None)

    async def _send(self, batch: _Batch) -> None:
        try:
            await batch.turn
            try:
                refused = await run_sync(self._try_to_publish, batch.events)
            finally:
                self._under_way -= 1
                if self._open is not None:
                    self._close(self._open)
            await run_sync(self._mark, batch.events, refused)
        finally:
            self._batches -= 1
            self._events -= len(batch.events)
            if self._late and self._open is not None:
                self._close(self._open)

    def _try_to_publish(self, events: Sequence[Encoded]) -> Mapping[int, Exception]:
        crash_point("api.answered")
        try:
            refused = self.topic.publish(events)
        except Exception as error:  # noqa: BLE001 - the clients have their responses
            refused = dict.fromkeys(range(len(events)), error)
        crash_point("api.published")
        return refused

    def _mark(self, events: Sequence[Encoded], refused: Mapping[int, Exception]) -> None:
        """Mark what was published. Nothing is tried again: the relay does that."""
        failure: Exception | None = None
        for position, event in enumerate(events):
            error = refused.get(position) or failure
            if error is None:
                try:
                    self.outbox.mark_published_direct([event.event_id])
                except Conflict as busy:  # a matter of this row
                    error = busy
                except Exception as unmarked:  # noqa: BLE001 - as above
                    error = failure = unmarked
            if error is not None:
                fields = peek(event.body).fields()
                log.warning("fast_path.failed", errorType=name_of(error), **fields)
        crash_point("api.marked")
