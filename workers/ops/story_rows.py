"""Reads the parts of a story from stored rows; other versions may have written them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from workers.aws import references
from workers.aws.failure_rows import log_of
from workers.aws.items import to_document
from workers.aws.outbox_rows import since_of
from workers.envelope import Encoded
from workers.ops.failures import FailedAttempt
from workers.ops.story import DEAD, HANDLED, MISSING, ORDER_API, RETRYING, Delivery, StoryEvent
from workers.pointer import is_reference
from workers.services.order import Order

CREATED: Final = "order.created"
# What order-api publishes. orders cancels too, but as an outcome, whose id follows from its cause.
_OWN: Final = frozenset({CREATED, "order.cancelled", "order.refunded", "order.shipped"})
_TEXTS: Final = {
    "sent_at": "sentAt",
    "started_at": "startedAt",
    "at": "at",
    "worker": "worker",
    "version": "version",
}


def roots_of(order: Order, correlation_id: str) -> Iterator[StoryEvent]:
    """Yield the events of order-api. The first has the correlation id, in every version."""
    named = [entry for entry in order.history if entry.event_id]
    if correlation_id and correlation_id not in {entry.event_id for entry in named}:
        yield StoryEvent(correlation_id, CREATED, ORDER_API, order.created_at.isoformat())
    for entry in named:
        yield StoryEvent(str(entry.event_id), entry.event_type, ORDER_API, entry.at.isoformat())


def without_ids(order: Order, events: Iterable[StoryEvent]) -> Iterator[str]:
    """Yield the events of order-api that an earlier version did not leave the id of."""
    known = {event.event_type for event in events}
    for entry in order.history:
        if entry.event_type in _OWN and entry.event_type not in known:
            yield (
                f"the order has {entry.event_type} at {entry.at.isoformat()}, "
                "but an earlier version wrote it, without the id of the event"
            )


def event_in(body: str) -> StoryEvent:
    """Read an outcome."""
    fields = orjson.loads(body)
    return StoryEvent(
        event_id=str(fields["eventId"]),
        event_type=str(fields["eventType"]),
        source=str(fields["source"]),
        at=str(fields.get("occurredAt", "")).replace("Z", "+00:00"),
        cause=str(fields.get("causationId", "")),
    )


def order_of(body: str) -> str:
    """Read the order id of an event; empty if it has none, or if its text is in S3."""
    if is_reference(body):
        return ""
    return str(orjson.loads(body).get("data", {}).get("orderId", ""))


def with_outbox(event: StoryEvent, row: Any) -> StoryEvent:
    """Add what the outbox row of an event tells."""
    if "outboxShard" not in row:
        published = row.get("publishedAt", {}).get("S", "")
        return replace(event, outbox="published", published_at=published)
    reason = row["stuckReason"]["S"] if "stuckReason" in row else "waiting"
    return replace(event, outbox=reason, at=since_of(row).isoformat())


def outcomes_of(inbox: Any) -> list[StoryEvent]:
    """Read the outcomes in an inbox row; none if there is no row."""
    if not inbox:
        return []
    return [
        _referred(event, inbox) if is_reference(event.body) else event_in(event.body)
        for event in references.outcomes_of(inbox)
    ]


def _referred(event: Encoded, inbox: Any) -> StoryEvent:
    """Read an outcome whose text is in S3 from the row of its cause: nothing has to be fetched."""
    return StoryEvent(
        event_id=event.event_id,
        event_type=event.attributes["eventType"],
        source=event.attributes["source"],
        at=inbox.get("at", {}).get("S", ""),
        cause=inbox["pk"]["S"].rpartition("#")[2],
    )


def delivery_of(service: str, inbox: Any, failures: Any) -> Delivery:
    """Read a delivery from the inbox row and the record of failures, each None if absent."""
    attempts: tuple[FailedAttempt, ...] = log_of("", failures).attempts if failures else ()
    if inbox is None:
        if not attempts:
            return Delivery(service, MISSING)
        state = DEAD if attempts[-1].outcome == "dead_lettered" else RETRYING
        return Delivery(service, state, attempts=attempts)
    row = to_document(inbox)
    texts = {field: str(row.get(name, "")) for field, name in _TEXTS.items()}
    count = row.get("receiveCount", 0)
    return Delivery(
        service,
        HANDLED,
        receive_count=count if isinstance(count, int) else 0,
        outcomes=tuple(outcome.event_id for outcome in outcomes_of(inbox)),
        attempts=attempts,
        **texts,
    )
