"""The story of one order: every event, who handled it and when, and what is still missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workers.ops.failures import FailedAttempt

ORDER_API: Final = "order-api"  # places every order, and publishes from the outbox
HANDLED: Final = "handled"
RETRYING: Final = "retrying"
DEAD: Final = "dead_lettered"
MISSING: Final = "missing"


@dataclass(frozen=True)
class Delivery:
    """One event at one consumer. Times are ISO 8601 in UTC; empty if they are not on record."""

    service: str
    state: str  # handled, retrying, dead_lettered or missing
    sent_at: str = ""  # when SQS got the message that was handled: after a redrive, the new one
    started_at: str = ""
    at: str = ""  # the commit of the effect
    receive_count: int = 0  # of that message
    worker: str = ""
    version: str = ""
    outcomes: tuple[str, ...] = ()  # event ids
    attempts: tuple[FailedAttempt, ...] = ()  # those that failed, over all redrives


@dataclass(frozen=True)
class StoryEvent:
    """One event of the order."""

    event_id: str
    event_type: str
    source: str
    at: str  # when it happened
    cause: str = ""  # the event that led to it; empty for a request to order-api
    # waiting, published, or why the relay set it aside; empty without an outbox row: outcomes have
    # none, and a row lasts 7 days
    outbox: str = ""
    published_at: str = ""
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True)
class Mail:
    """A mail to the customer, or to operations about this order."""

    kind: str
    sent_at: str  # or decided on, if it was withheld
    withheld: str = ""  # why it was not sent; empty if it was


@dataclass(frozen=True)
class Story:
    """One order across all services. Reading it changes nothing."""

    order_id: str
    correlation_id: str
    state: str  # empty if the order does not exist
    events: tuple[StoryEvent, ...]  # in the order in which they happened
    mails: tuple[Mail, ...]
    missing: tuple[str, ...]  # what has not happened yet, and where to look
    unknown: tuple[str, ...] = ()  # what cannot be told, because an earlier version wrote the row

    @property
    def last_at(self) -> str:
        """The time of the newest step on record."""
        return max(_times(self), default="")

    @property
    def settled(self) -> bool:
        """Whether every consumer has handled every event."""
        return not self.missing


def missing_of(event: StoryEvent) -> Iterator[str]:
    """Yield what is missing for an event to have had all its effects, and where to look."""
    if event.outbox == "waiting":
        yield f"{event.event_type} is not published yet. Look: workers outbox list"
        return
    if event.outbox not in ("", "published"):
        yield (
            f"{event.event_type} was set aside: {event.outbox}. "
            f"After the fix: workers outbox retry {event.event_id} --yes"
        )
        return
    for delivery in event.deliveries:
        match delivery:
            case Delivery(state="dead_lettered", service=service, attempts=(*_, last)):
                yield (
                    f"{service} gave up on {event.event_type} ({last.type}: {last.reason}). "
                    f"Look: workers dlq list {service}; after the fix: workers dlq redrive"
                )
            case Delivery(state="retrying", service=service, attempts=(*_, last)):
                yield (
                    f"{service} failed at {event.event_type} and tries again "
                    f"({last.type}: {last.reason})"
                )
            case Delivery(state="missing", service=service):
                yield (
                    f"{event.event_type} is not received yet by {service}. "
                    f"Look: workers queues, then workers dlq list {service}"
                )


def _times(story: Story) -> Iterator[str]:
    for event in story.events:
        yield from (event.at, event.published_at)
        for delivery in event.deliveries:
            yield delivery.at
            yield from (attempt.at for attempt in delivery.attempts)
    yield from (mail.sent_at for mail in story.mails)
