"""Outcomes of several handlers, published in one request.

A handler waits until its own outcomes were accepted, so its message is still deleted only after
them. The first of a batch publishes for all that join it within ``LINGER``; a handler that is
alone does not wait for company.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition
from typing import Final

from workers.envelope import Envelope
from workers.events import Event
from workers.runtime.permits import MAX_BATCH
from workers.runtime.ports import Outcomes, Topic

LINGER: Final = 0.005  # s


@dataclass(slots=True, eq=False)
class Batch:
    """What goes out in one request, and what became of it."""

    envelopes: list[Envelope[Event]] = field(default_factory=list)
    refused: Mapping[int, Exception] = field(default_factory=dict)
    done: bool = False


class Publisher:
    """A topic for many handlers at once."""

    def __init__(
        self, topic: Topic, *, in_flight: Callable[[], int], linger: float = LINGER
    ) -> None:
        """``in_flight`` counts the messages that may have outcomes soon, the caller's included."""
        self._topic = topic
        self._in_flight = in_flight
        self._linger = linger
        self._open: Batch | None = None
        self._changed = Condition()

    def publish(self, envelopes: Outcomes) -> Mapping[int, Exception]:
        """As ``Topic.publish``."""
        with self._changed:
            batch = self._open
            joins = batch is not None and len(batch.envelopes) + len(envelopes) <= MAX_BATCH
            if batch is None or not joins:
                batch = self._open = Batch()
            start = len(batch.envelopes)
            batch.envelopes.extend(envelopes)
            if joins:
                self._changed.notify_all()
                self._changed.wait_for(lambda: batch.done)
            else:
                self._collect(batch)
        if not joins:
            self._send(batch)
        return {
            position - start: error
            for position, error in batch.refused.items()
            if start <= position < start + len(envelopes)
        }

    def _collect(self, batch: Batch) -> None:
        """Let others join for a moment, then close the batch."""
        if self._in_flight() > 1:
            self._changed.wait_for(lambda: self._is_full(batch), timeout=self._linger)
        if self._open is batch:
            self._open = None

    def _is_full(self, batch: Batch) -> bool:
        return self._open is not batch or len(batch.envelopes) >= MAX_BATCH

    def _send(self, batch: Batch) -> None:
        try:
            batch.refused = self._topic.publish(batch.envelopes)
        except Exception as error:  # noqa: BLE001 - it is everybody's in the batch, and raised there
            batch.refused = dict.fromkeys(range(len(batch.envelopes)), error)
        with self._changed:
            batch.done = True
            self._changed.notify_all()
