"""Finds events in the archive: of an order, or of a range of time.

Events stream: nothing here grows with the size of the archive.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import jiter

from workers.aws.archive import Archive
from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.envelope import Encoded, EnvelopeError
from workers.ops.references import follow
from workers.pointer import SIZE, pointer_or_none
from workers.runtime.payloads import MAX_PAYLOAD_BYTES
from workers.runtime.ports import Payloads
from workers.services.order import Order, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A file cannot hold an event that occurred after it was written, except by the difference of two
# clocks.
CLOCK_SKEW: Final = timedelta(minutes=10)
# The day in a key is that of the event's own text, which may state another offset from UTC. The
# least and the greatest offset in use: https://data.iana.org/time-zones/theory.html
OFFSETS: Final = (timedelta(hours=-12), timedelta(hours=14))
# Every time that an event can have.
ALWAYS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True)
class Selection:
    """The events to find: of these types, that occurred in ``[since, until)``, of this order."""

    types: frozenset[str]
    since: datetime
    until: datetime
    order_id: str = ""  # empty: of any

    def partitions(self, days: Sequence[date]) -> list[tuple[date, str]]:
        """List the days and types to read, of the days that there are, in the order of keys."""
        first = _shifted(self.since, OFFSETS[0])
        last = _shifted(self.until, OFFSETS[1])
        # A prefix ends in a slash, which sorts after a dot.
        types = sorted(self.types, key=lambda name: f"{name}/")
        return [(day, each) for day in sorted(days) if first <= day <= last for each in types]


@dataclass(frozen=True, order=True)
class Position:
    """A place in the archive: positions of a reading only grow."""

    key: str = ""
    number: int = 0  # of the event in the file, from 1


@dataclass(frozen=True)
class Archived:
    """One event of the archive, byte for byte as it was published."""

    event: Encoded
    occurred_at: datetime
    position: Position
    stored: str = ""  # the text, if ``event`` is a reference to it

    @property
    def text(self) -> str:
        """The text of the event itself."""
        return self.stored or self.event.body

    @property
    def key(self) -> str:
        """The key that consumers deduplicate on, as ``Envelope.key``."""
        return f"{self.event.attributes['source']}#{self.event.event_id}"

    @property
    def type(self) -> str:
        """The type of the event."""
        return self.event.attributes["eventType"]


@dataclass(frozen=True)
class Unreadable:
    """A line that is no event."""

    position: Position
    reason: str


def read(
    archive: Archive,
    selection: Selection,
    *,
    after: Position | None = None,
    written_since: datetime | None = None,
    progress: Callable[[str], None] = lambda _key: None,
) -> Iterator[Archived | Unreadable]:
    """Yield the selected events, in the order of their positions, duplicates included.

    ``after`` leaves out what was read before, ``written_since`` the files that are older.
    ``progress`` is called with the key of each file that is read. Raises ``FatalError`` without an
    archive, and ``Unavailable``.
    """
    after = after or Position()
    oldest = max(_later(selection.since, -CLOCK_SKEW), written_since or ALWAYS[0])
    wanted = selection.order_id
    for day, event_type in selection.partitions(archive.days()):
        for file in archive.files(day, event_type):
            if file.key < after.key or file.written_at < oldest:
                continue
            progress(file.key)
            for found in _events(file.key, archive.lines(file.key), archive.payloads):
                if found.position <= after or (wanted and wanted not in _text(found)):
                    continue
                if isinstance(found, Unreadable) or _selects(selection, found):
                    yield found


def placed_at(dynamodb: "DynamoDBClient", table: str, order_id: str) -> datetime | None:
    """Return when an order was placed, from its row in ``table``; None if there is no such order.

    No event of the order is older. There is no such bound for the newest: reports that nobody has
    handled yet are not in the order's history.
    """
    with translated("dynamodb"):
        item: Any = dynamodb.get_item(
            TableName=table, Key={"pk": {"S": key_of(order_id)}}, ConsistentRead=True
        ).get("Item")
    return Order.of(to_document(item)).created_at - CLOCK_SKEW if item else None


def _events(
    key: str, lines: Iterable[str], payloads: Payloads | None
) -> Iterator[Archived | Unreadable]:
    """Read the events of a file.

    An event that was published by hand may have line breaks: lines are joined until they are one.
    """
    held, number = "", 0
    for line in lines:
        number += 1
        found = _event(line, Position(key, number), payloads)
        if isinstance(found, Archived) or pointer_or_none(line):
            if held:
                yield Unreadable(Position(key, number - 1), "the line is not an event")
            held = ""
            yield found
            continue
        held = f"{held}\n{line}" if held else line
        joined = _event(held, Position(key, number), payloads) if held != line else found
        if isinstance(joined, Archived):
            held = ""
            yield joined
    if held:
        yield Unreadable(Position(key, number), "the line is not an event")


def _event(text: str, position: Position, payloads: Payloads | None) -> Archived | Unreadable:
    """Read an event, or follow a reference to one; the reference is what is sent again."""
    followed = follow(text, payloads)
    if followed.problem:
        return Unreadable(position, f"{followed.place}: {followed.problem}")
    try:
        event = Encoded.read(followed.body, limit=MAX_PAYLOAD_BYTES)
        fields: Any = jiter.from_json(followed.body.encode())
        occurred_at = datetime.fromisoformat(fields["occurredAt"])
        if occurred_at.tzinfo is None or "source" not in event.attributes:
            return Unreadable(position, "occurredAt has no offset, or source is missing")
    except (EnvelopeError, KeyError, TypeError, ValueError) as error:
        return Unreadable(position, str(error))
    if not followed.place:
        return Archived(event, occurred_at, position)
    size = {SIZE: str(len(followed.body.encode()))}
    reference = replace(event, body=text, attributes={**event.attributes, **size})
    return Archived(reference, occurred_at, position, stored=followed.body)


def _later(time: datetime, difference: timedelta) -> datetime:
    """Add, within what a datetime can hold."""
    try:
        return time + difference
    except OverflowError:
        return time


def _shifted(time: datetime, offset: timedelta) -> date:
    return _later(time.astimezone(UTC), offset).date()


def _selects(selection: Selection, found: Archived) -> bool:
    if not selection.since <= found.occurred_at < selection.until:
        return False
    if not selection.order_id:
        return found.type in selection.types
    fields: Any = jiter.from_json(found.text.encode())
    data = fields.get("data")
    return isinstance(data, dict) and data.get("orderId") == selection.order_id


def _text(found: Archived | Unreadable) -> str:
    return found.text if isinstance(found, Archived) else ""
