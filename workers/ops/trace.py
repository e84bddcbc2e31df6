"""Reads the story of an order, without an index and without asking a queue.

The outcomes of an event stand in the inbox rows of its consumers, under keys that follow from its
id. So a story is read level by level, each with one BatchGetItem: the order's own events, their
outcomes, the outcomes of these. A confirmed order has three levels.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workers.aws.batch_get import Row, batch_get
from workers.aws.generations import REBUILDABLE, inbox_scope
from workers.aws.items import to_document
from workers.ops.books import mail_of
from workers.ops.story import ORDER_API, Mail, Story, StoryEvent, missing_of
from workers.ops.story_rows import (
    CREATED,
    delivery_of,
    order_of,
    outcomes_of,
    roots_of,
    with_outbox,
    without_ids,
)
from workers.services.notification import key_of as mail_key
from workers.services.order import Order
from workers.services.order import key_of as order_key
from workers.services.templates import FORMER, NAMES
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Tracer:
    """Reads stories."""

    dynamodb: "DynamoDBClient"
    settings: Settings
    topology: Topology

    def trace(self, wanted: str) -> Story | None:
        """Return the story of an order id, or of a correlation id; None if neither is known.

        Raises the errors of ``runtime.ports``.
        """
        rows = self._get([self._orders(order_key(wanted)), self._orders(f"outbox#{wanted}")])
        order = rows.get(self._orders(order_key(wanted)))
        if order is not None:
            return self._story(Order.of(to_document(order)))
        row = rows.get(self._orders(f"outbox#{wanted}"))
        order_id = order_of(row["body"]["S"]) if row else self._order_behind(wanted)
        if not order_id:
            return None
        key = self._orders(order_key(order_id))
        found = self._get([key]).get(key)
        if found is not None:
            return self._story(Order.of(to_document(found)))
        events = self._follow([StoryEvent(wanted, CREATED, ORDER_API, "")])
        return self._told(order_id, wanted, "", events)

    def _story(self, order: Order) -> Story:
        correlation_id = order.correlation_id or ""
        roots = list(roots_of(order, correlation_id))
        story = self._told(order.order_id, correlation_id, order.state, self._follow(roots))
        return replace(story, unknown=tuple(without_ids(order, story.events)))

    def _told(
        self, order_id: str, correlation_id: str, state: str, events: Iterable[StoryEvent]
    ) -> Story:
        ordered = sorted(events, key=lambda event: event.at)
        missing = [problem for event in ordered for problem in missing_of(event)]
        return Story(
            order_id,
            correlation_id,
            state,
            events=tuple(ordered),
            mails=self.mails(order_id),
            missing=tuple(missing),
        )

    def mails(self, order_id: str) -> tuple[Mail, ...]:
        """Return the mails about an order, oldest first."""
        keys = {
            (self._table("notification"), mail_key(kind, order_id)): kind for kind in NAMES | FORMER
        }
        found = {keys[key]: mail_of(item) for key, item in self._get(keys).items()}
        sent = [Mail(kind, mail.at, mail.withheld) for kind, mail in found.items()]
        return tuple(sorted(sent, key=lambda mail: (mail.sent_at, mail.kind)))

    def _follow(self, roots: Iterable[StoryEvent]) -> Iterator[StoryEvent]:
        """Yield the events that follow from others, those included."""
        level, seen = list(roots), set[tuple[str, str]]()
        while level:
            seen |= {(event.source, event.event_id) for event in level}
            rows = self._get(key for event in level for key in self._keys(event))
            outcomes: list[StoryEvent] = []
            for event in level:
                yield self._with(event, rows)
                for service in self._consumers(event):
                    outcomes += outcomes_of(rows.get(self._inbox(service, event)))
            level = [each for each in outcomes if (each.source, each.event_id) not in seen]

    def _with(self, event: StoryEvent, rows: Mapping[Row, Any]) -> StoryEvent:
        deliveries = [
            delivery_of(
                service,
                rows.get(self._inbox(service, event)),
                rows.get(self._failures(service, event)),
            )
            for service in self._consumers(event)
        ]
        row = rows.get(self._orders(f"outbox#{event.event_id}"))
        found = with_outbox(event, row) if row else event
        return replace(found, deliveries=tuple(deliveries))

    def _order_behind(self, event_id: str) -> str:
        """Return the order of a first event whose outbox row is gone; empty if unknown."""
        events = list(self._follow([StoryEvent(event_id, CREATED, ORDER_API, "")]))
        if len(events) == 1:
            return ""
        first = events[0].deliveries
        keys = [self._inbox(d.service, events[0]) for d in first if d.outcomes]
        bodies = [o["S"] for item in self._get(keys).values() for o in item["outcomes"]["L"]]
        return next(filter(None, map(order_of, bodies)), "")

    def _keys(self, event: StoryEvent) -> Iterator[Row]:
        yield self._orders(f"outbox#{event.event_id}")
        for service in self._consumers(event):
            yield self._inbox(service, event)
            yield self._failures(service, event)

    def _consumers(self, event: StoryEvent) -> list[str]:
        services = self.topology.consumers.items()
        return [name for name, service in services if event.event_type in service.consumes]

    def _inbox(self, service: str, event: StoryEvent) -> Row:
        scope = self._scope if service == REBUILDABLE else ""
        return self._table(service), f"inbox#{scope}{event.source}#{event.event_id}"

    def _failures(self, service: str, event: StoryEvent) -> Row:
        return self._table(service), f"failures#{event.source}#{event.event_id}"

    def _orders(self, key: str) -> Row:
        return self._table(ORDER_API), key

    @cached_property
    def _scope(self) -> str:
        return inbox_scope(self.dynamodb, self._table(REBUILDABLE), REBUILDABLE)

    def _table(self, service: str) -> str:
        return self.settings.table(self.topology.services[service].table)

    def _get(self, rows: Iterable[Row]) -> dict[Row, Any]:
        return batch_get(self.dynamodb, rows)
