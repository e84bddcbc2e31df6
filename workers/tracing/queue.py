"""The spans of requests to a queue: receive, settle, and sending to the dead-letter queue."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final

from opentelemetry.trace import SpanContext, SpanKind, Tracer

from workers.runtime.ports import Failure, Message, Queue
from workers.runtime.settlement import name_of
from workers.tracing.context import ROOT, links_to, parent_of, read_body, wanted
from workers.tracing.marks import attributes, ended, fail

MAX_UNSETTLED: Final = 2_000  # contexts of messages that are not settled yet


class TracedQueue:
    """A queue whose requests have spans: those that receive, settle and dead-letter."""

    def __init__(self, queue: Queue, tracer: Tracer, url: str, processing: "Contexts") -> None:
        self._queue = queue
        self._tracer = tracer
        self._processing = processing
        self._receive = attributes(queue.name, "receive", "receive", url=url)
        self._settle = attributes(queue.name, "settle", "settle", url=url)
        self._send = attributes(f"{queue.name}-dlq", "send", "send")
        self.name = queue.name
        self.visibility_timeout = queue.visibility_timeout

    def receive(self, limit: int, wait: float) -> Sequence[Message]:
        """As ``Queue.receive``. A poll that finds nothing leaves no span."""
        began = time.time_ns()
        try:
            messages = self._queue.receive(limit, wait)
        except Exception as error:
            self._polled(began, error=error)
            raise
        if messages:
            self._polled(began, messages)
        return messages

    def delete(self, handles: Sequence[str]) -> Mapping[int, str]:
        """As ``Queue.delete``."""
        with self._settling(handles) as failed:
            failed.update(self._queue.delete(handles))
        return failed

    def change_visibility(self, changes: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """As ``Queue.change_visibility``."""
        with self._settling([handle for handle, _ in changes]) as failed:
            failed.update(self._queue.change_visibility(changes))
        return failed

    def dead_letter(self, message: Message, failure: Failure) -> None:
        """As ``Queue.dead_letter``."""
        span = self._tracer.start_span(
            f"send {self.name}-dlq",
            kind=SpanKind.PRODUCER,
            attributes={**self._send, "workers.failure_type": failure.type},
        )
        with ended(span):
            self._queue.dead_letter(message, failure)

    def _polled(
        self, began: int, messages: Sequence[Message] = (), error: Exception | None = None
    ) -> None:
        contexts = [read_body(message.body) for message in messages]
        if messages and not wanted(contexts):
            return
        span = self._tracer.start_span(
            f"receive {self.name}",
            context=ROOT,
            kind=SpanKind.CLIENT,
            links=links_to(contexts),
            attributes={**self._receive, "messaging.batch.message_count": len(messages)},
            start_time=began,
        )
        if error is not None:
            fail(span, name_of(error))
        span.end()

    @contextmanager
    def _settling(self, handles: Sequence[str]) -> Iterator[dict[int, str]]:
        """Open the span of a settlement; yields a dict to fill with the failures."""
        failed: dict[int, str] = {}
        contexts = [context for handle in handles if (context := self._processing.pop(handle))]
        if not contexts or not wanted(contexts):
            yield failed
            return
        span = self._tracer.start_span(
            f"settle {self.name}",
            context=parent_of(contexts),
            kind=SpanKind.CLIENT,
            links=links_to(contexts),
            attributes={**self._settle, "messaging.batch.message_count": len(handles)},
        )
        with ended(span):
            yield failed
            if failed:
                fail(span, next(iter(failed.values())))


class Contexts:
    """The spans of messages by receipt handle, until their settlement asks for them."""

    def __init__(self, most: int = MAX_UNSETTLED) -> None:
        """Of a message that is never settled here, it forgets the span after ``most`` others."""
        self._most = most
        self._kept: OrderedDict[str, SpanContext] = OrderedDict()
        self._lock = Lock()

    def put(self, handle: str, context: SpanContext) -> None:
        """Keep the context of a message."""
        with self._lock:
            self._kept[handle] = context
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def pop(self, handle: str) -> SpanContext | None:
        """Return the context of a message, and forget it."""
        with self._lock:
            return self._kept.pop(handle, None)
