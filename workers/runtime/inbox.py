"""Exactly-once effects: an event is handled in one transaction with its own inbox row.

If it arrives again, as a duplicate, a redelivery or in a second worker, the row is found and the
recorded outcomes are returned.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.envelope import Encoded, Envelope, Event, Sign
from workers.runtime.crash import crash_point
from workers.runtime.errors import Conflict, TooOld
from workers.runtime.handler import Handlers
from workers.runtime.lease import Lease
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.observability.spans import Spans
from workers.runtime.payloads import LargeEvents
from workers.runtime.ports import Handling, Message, Outcomes, Record, Store

T = TypeVar("T")

# Conflicts last milliseconds: they are retried in process, well within the visibility timeout.
CONFLICT_TRIES: Final = 8
FIRST_WAIT: Final = 0.02  # s, doubling, with jitter
LONGEST_WAIT: Final = 1.0  # s


class Inbox:
    """Handles each event of one service exactly once."""

    def __init__(
        self,
        service: str,
        *,
        store: Store,
        handlers: Handlers,
        worker: str = "",
        version: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        spans: Spans | None = None,
        sign: Sign | None = None,
        max_age: float = INBOX_RETENTION.total_seconds(),
        large: LargeEvents | None = None,
    ) -> None:
        """``max_age`` (s) is that of an event that is handled without a look into the inbox."""
        self._service = service
        self._store = store
        self._handlers = handlers
        self._worker = worker
        self._version = version
        self._clock = clock
        self._spans = spans
        self._sign = sign
        self._max_age = max_age
        self._large = large
        self._retrying = Retrying(
            retry=retry_if_exception_type(Conflict),
            stop=stop_after_attempt(CONFLICT_TRIES),
            wait=wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
            sleep=sleep,
            reraise=True,
        )

    def takes(self, envelope: Envelope[Event]) -> bool:
        """Return whether the service has a handler for the event."""
        return self._handlers.route(envelope.data) is not None

    def handle(self, envelope: Envelope[Event], lease: Lease, *, again: bool = False) -> Record:
        """Handle the event, or return the outcomes recorded when it was handled before.

        ``again`` means that this worker has tried the event before. Raises any exception of the
        handler, ``Conflict`` if other transactions kept interfering, ``LeaseLost`` if another
        worker may own the message, and ``TooOld`` if nobody can know whether the event was handled.
        """
        first = lease.message.receive_count == 1 and not again
        old = self._is_old(envelope)
        if (old or not first) and (known := self._store.recall(envelope.key)):
            return known
        if old:
            # Its inbox row may be gone. The check is here and not in the decoder: a rebuild counts
            # events of any age, into a generation with an inbox of its own.
            raise TooOld(
                f"it occurred on {envelope.occurred_at:%Y-%m-%d}, more than "
                f"{self._max_age / 86_400:.0f} days ago: the inbox may not know that it was handled"
            )
        try:
            # A first delivery needs no look-up: the conditions of its transaction decide.
            return self._commit(envelope, lease, optimistic=first)
        except Conflict:
            return self._retrying(self._recall_or_commit, envelope, lease)

    def takes_together(self, envelope: Envelope[Event]) -> bool:
        """Return whether the event can be handled together with others."""
        return self._handlers.takes_together(envelope.data) and not self._is_old(envelope)

    def handle_together(
        self, batch: Sequence[tuple[Envelope[Event], Lease]], *, again: bool = False
    ) -> frozenset[str]:
        """Handle first deliveries in one transaction; return the keys of those handled before.

        If there are any of these, nothing was written: handle the others without them. Raises as
        ``handle``, with ``LeaseLost`` if that is true of any message.
        """
        try:
            return self._commit_together(batch, optimistic=not again)
        except Conflict:
            return self._retrying(self._commit_together, batch)

    def _commit_together(
        self, batch: Sequence[tuple[Envelope[Event], Lease]], *, optimistic: bool = False
    ) -> frozenset[str]:
        def check() -> None:
            for _, lease in batch:
                lease.check()

        handlings = {envelope.key: self._handling(lease.message) for envelope, lease in batch}
        transaction = self._store.begin_together(handlings, guard=check, optimistic=optimistic)
        self._handlers.handle_together([envelope.data for envelope, _ in batch], transaction)
        return _between_crash_points(check, lambda: self._store.commit_together(transaction))

    def _is_old(self, envelope: Envelope[Event]) -> bool:
        return self._clock() - envelope.occurred_at.timestamp() > self._max_age

    def _recall_or_commit(self, envelope: Envelope[Event], lease: Lease) -> Record:
        return self._store.recall(envelope.key) or self._commit(envelope, lease)

    def _commit(
        self, envelope: Envelope[Event], lease: Lease, *, optimistic: bool = False
    ) -> Record:
        lease.check()  # a handler may call out before it uses its transaction
        transaction = self._store.begin(
            envelope.key,
            guard=lease.check,
            optimistic=optimistic,
            handling=self._handling(lease.message),
        )
        events = self._handlers.handle(envelope.data, transaction)
        return _between_crash_points(
            lease.check,
            lambda: self._store.commit(
                transaction, self._encoded(self._outcomes(envelope, events))
            ),
        )

    def _handling(self, message: Message) -> Handling:
        return Handling(
            message_id=message.id,
            receive_count=message.receive_count,
            sent_at=message.sent_at,
            started_at=self._clock(),
            worker=self._worker,
            version=self._version,
        )

    def _outcomes(self, cause: Envelope[Event], events: tuple[Event, ...]) -> list[Envelope[Event]]:
        # Only here: a repeated handling publishes what was recorded, with the first one's context.
        traceparent = self._spans.traceparent() if self._spans and events else None
        seen: Counter[str] = Counter()
        outcomes = []
        for event in events:
            outcome = cause.then(
                event,
                source=self._service,
                position=seen[event.type],
                traceparent=traceparent,
            )
            outcomes.append(outcome)
            seen[event.type] += 1
        return outcomes

    def _encoded(self, outcomes: Sequence[Envelope[Event]]) -> Outcomes:
        """Encode each outcome, once; large ones are stored, and replaced by references."""
        encoded = tuple(Encoded.of(outcome, self._sign) for outcome in outcomes)
        if self._large is None:
            return encoded
        return self._large.carry(outcomes, encoded)


def _between_crash_points(check: Callable[[], None], commit: Callable[[], T]) -> T:
    """Commit what a handler has staged, if its lease still holds."""
    crash_point("handled")
    check()
    committed = commit()
    crash_point("committed")
    return committed
