"""The envelope: carries one event of any domain and says what led to it.

A domain derives its events from ``Event``, lists them in a catalogue, and reads envelopes with a
``Decoder`` of that catalogue.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Generic, Protocol, Self, TypeAlias, TypeVar
from uuid import UUID, uuid5

import jiter
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from workers import cloudevents
from workers.limits import MAX_PUBLISH_BYTES

# Our attributes take well under 2 KiB.
MAX_BODY_BYTES: Final = MAX_PUBLISH_BYTES - 2 * 1024

MAJOR_VERSION: Final = 1
# 1.1: events about a customer may have a ``customerId``, ``order.created`` a ``paymentMethod``.
MINOR_VERSION: Final = 1
VERSION: Final = f"{MAJOR_VERSION}.{MINOR_VERSION}"

# The namespace of our ids (RFC 9562, 5.5). Never change it: the id of a repeated outcome must be
# the id of the first.
_NAMESPACE: Final = UUID("5b1d2c8e-2f0a-5c1f-9a53-6f3c4f0e9d11")

# Message attributes, for SNS filters and for tracing. Raw delivery drops a message that has more
# than ten.
# https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
ATTRIBUTES: Final = (
    "eventType",
    "eventVersion",
    "source",
    "eventId",
    "correlationId",
    "traceparent",
)

# As our own types: ``entity.past-participle``.
_TYPE: Final = re.compile(r"[a-z]{1,40}(\.[a-z0-9-]{1,40}){1,3}")

# What flat messages of other systems call the type.
_FLAT: Final = ("event_type", "event")

# Adds a signature to the text of an event.
Sign: TypeAlias = Callable[[str], str]

Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]


class Value(BaseModel):
    """Data on the wire: camelCase, immutable, strict; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        strict=True,
    )


class Event(Value):
    """A fact in the past tense. Each subclass has its own ``type``."""

    type: ClassVar[str]
    # The fields on the wire that ``subject`` is made of: they are ids.
    subject_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def subject(self) -> Mapping[str, str]:
        """The log fields that name what the event is about. None by default."""
        return {}


E_co = TypeVar("E_co", bound=Event, covariant=True)


class EnvelopeError(Exception):
    """A body is not an envelope that this version can read."""

    name: str = "malformed"


class UnknownType(EnvelopeError):
    """No event of this type is in the catalogue."""

    name = "unknown_type"


class UnsupportedVersion(EnvelopeError):
    """The envelope has a newer major version than this code."""

    name = "unsupported_version"


class ForeignSource(EnvelopeError):
    """The event comes from a source that does not publish events of its type."""

    name = "foreign_source"


class Envelope(Value, Generic[E_co]):
    """One event on the wire."""

    event_id: Id
    event_type: Id
    event_version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")] = VERSION
    source: Id
    occurred_at: AwareDatetime
    correlation_id: Id
    causation_id: Id | None = None
    # https://www.w3.org/TR/trace-context/#traceparent-header
    traceparent: Annotated[
        str | None,
        StringConstraints(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
    ] = None
    data: SerializeAsAny[E_co]

    @property
    def key(self) -> str:
        """The key that consumers deduplicate on: a repeat of an event has the same one."""
        return f"{self.source}#{self.event_id}"

    def then(
        self, event: Event, *, source: str, position: int = 0, traceparent: str | None = None
    ) -> "Envelope[Event]":
        """Wrap an event that this one caused; repeating the cause yields the same id.

        ``position`` tells apart several outcomes of one type. ``traceparent`` names the span that
        handled this event; without one, its own is passed on.
        """
        return Envelope[Event](
            event_id=outcome_id(self.event_id, source, event.type, position),
            event_type=event.type,
            source=source,
            occurred_at=datetime.now(UTC),
            correlation_id=self.correlation_id,
            causation_id=self.event_id,
            traceparent=traceparent or self.traceparent,
            data=event,
        )

    def encode(self) -> str:
        """Return the JSON text that goes on the wire."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def outcome_id(cause_id: str, source: str, event_type: str, position: int = 0) -> str:
    """Derive the id of an outcome: the same cause gives the same id, wherever it is handled."""
    name = f"{cause_id}/{source}/{event_type}" + (f"/{position}" if position else "")
    return str(uuid5(_NAMESPACE, name))


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as text, on the wire and in a table. It is encoded once and never again.

    A stored event may come from a newer version of this code, with fields and types that this
    version does not know. They reach the consumers because nothing on the way re-encodes it.
    """

    event_id: str
    body: str
    attributes: Mapping[str, str]  # those of ``ATTRIBUTES`` that the event has
    # What the event is about; empty if it was read back. ``events.group_of`` knows it then too.
    group: str = field(default="", compare=False)

    @classmethod
    def of(cls, envelope: Envelope[Event], sign: Sign | None = None) -> Self:
        """Encode an envelope. The text that is stored is the text that is published.

        ``sign`` adds a signature to the text, here and nowhere else.
        """
        texts = {
            "eventType": envelope.event_type,
            "eventVersion": envelope.event_version,
            "source": envelope.source,
            "eventId": envelope.event_id,
            "correlationId": envelope.correlation_id,
            "traceparent": envelope.traceparent,
        }
        attributes = {name: text for name, text in texts.items() if text}
        body = envelope.encode()
        return cls(
            envelope.event_id,
            sign(body) if sign else body,
            attributes,
            "#".join(envelope.data.subject.values()),
        )

    @classmethod
    def read(cls, body: str, *, limit: int = MAX_BODY_BYTES) -> Self:
        """Read an encoded event of any type and version, or a CloudEvent. Needs no catalogue.

        Raises ``EnvelopeError`` if the text is not a JSON object with an id and a type.
        """
        fields = _parse(body, limit)
        if cloudevents.is_cloudevent(fields):
            fields = cloudevents.to_fields(fields)
        event_id, _ = _text(fields, "eventId"), _text(fields, "eventType")
        texts = {name: fields.get(name) for name in ATTRIBUTES}
        return cls(event_id, body, {n: t for n, t in texts.items() if isinstance(t, str) and t})


def first(
    event: Event, *, source: str, event_id: str, traceparent: str | None = None
) -> Envelope[Event]:
    """Wrap an event that no other caused; its id is the correlation id of all that follow."""
    return Envelope[Event](
        event_id=event_id,
        event_type=event.type,
        source=source,
        occurred_at=datetime.now(UTC),
        correlation_id=event_id,
        traceparent=traceparent,
        data=event,
    )


class Decode(Protocol[E_co]):
    """Reads envelopes, as ``Decoder.decode``."""

    def __call__(self, body: str, /, *, limit: int = MAX_BODY_BYTES) -> Envelope[E_co]:
        """Raise ``EnvelopeError`` for what is none, or has more than ``limit`` bytes."""


class Decoder(Generic[E_co]):
    """Reads envelopes that carry an event of one catalogue."""

    def __init__(
        self,
        catalogue: Mapping[str, type[E_co]],
        publishers: Mapping[str, Collection[str]] | None = None,
        check: Callable[[str], None] | None = None,
    ) -> None:
        """``catalogue`` has the events that can be read, by type.

        ``publishers`` has the sources that each type is accepted from; without it, any is.
        ``check`` raises ``EnvelopeError`` for a body whose signature is missing or wrong.
        """
        self._publishers = publishers
        self._check = check
        self._models: dict[str, type[Envelope[E_co]]] = {
            name: Envelope[event]  # type: ignore[valid-type]  # the catalogue is data, not types
            for name, event in catalogue.items()
        }

    def decode(self, body: str, *, limit: int = MAX_BODY_BYTES) -> Envelope[E_co]:
        """Read an envelope or a CloudEvent of up to ``limit`` bytes, raw or in an SNS notification.

        Raises ``EnvelopeError`` or one of its subclasses. The text says what is wrong and quotes no
        value, because it may be a customer's, but an event type that looks like one and the names
        of our services.
        """
        fields = _parse(body, limit)
        inner = fields.get("Message")
        if fields.get("Type") == "Notification" and isinstance(inner, str):
            body = inner
            fields = _parse(body, limit)
        if self._check is not None:
            self._check(body)
        if "eventType" not in fields:
            fields = _foreign(fields)
            body = to_json(fields).decode()
        event_type = _text(fields, "eventType")
        model = self._models.get(event_type)
        _check_version(_text(fields, "eventVersion"))
        if model is None:
            raise UnknownType(f"eventType{_named(event_type)} is not in the catalogue")
        if self._publishers is not None:
            _check_source(self._publishers, event_type, _text(fields, "source"))
        try:
            # Names on the wire only: every reader must see the same fields.
            return model.model_validate_json(body, by_alias=True, by_name=False)
        except ValidationError as error:
            raise EnvelopeError(_explain(error)) from None


def _named(event_type: str) -> str:
    """Return a type for a text, unless it may be anything else: a sender wrote it."""
    return f" {event_type}" if _TYPE.fullmatch(event_type) else ""


def _check_source(publishers: Mapping[str, Collection[str]], event_type: str, source: str) -> None:
    """Refuse a source that does not publish events of this type."""
    known = publishers.get(event_type, ())
    if source in known:
        return
    ours = any(source in each for each in publishers.values())
    raise ForeignSource(
        f"source: {event_type} from {source if ours else 'a stranger'}; "
        f"it is believed from {', '.join(sorted(known)) or 'nobody'}"
    )


def _foreign(fields: dict[str, object]) -> dict[str, object]:
    """Return the envelope's fields of a CloudEvent; refuse everything else with its reason."""
    if cloudevents.is_cloudevent(fields):
        if fields[cloudevents.MARK] != cloudevents.SPEC_VERSION:
            raise UnsupportedVersion(f"specversion: not {cloudevents.SPEC_VERSION}")
        if problem := cloudevents.problem_of(fields):
            raise EnvelopeError(problem)
        return cloudevents.to_fields(fields)
    flat = next((name for name in _FLAT if isinstance(fields.get(name), str)), "")
    if flat:
        raise EnvelopeError(
            f"eventType: missing; this looks like a flat message with {flat}. An event has an "
            "envelope with eventType, eventId and source around its data: docs/CONSUMERS.md"
        )
    raise EnvelopeError("eventType: missing")


def _check_version(version: str) -> None:
    """Refuse a newer major version; the model refuses what is not a version."""
    major = version.partition(".")[0]
    if major.isascii() and major.isdigit() and len(major) < 5 and int(major) > MAJOR_VERSION:  # noqa: PLR2004
        raise UnsupportedVersion(f"eventVersion {version[:9]} is newer than {VERSION}")


def _parse(body: str, limit: int = MAX_BODY_BYTES) -> dict[str, object]:
    """Refuse a text that is not one plain JSON object before anything reads it."""
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        raise EnvelopeError("the body is not valid Unicode") from None
    if len(raw) > limit:
        raise EnvelopeError(f"the body has {len(raw)} bytes, more than {limit}")
    try:
        fields = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise EnvelopeError(f"the body is not JSON: {json_fault(error)}") from None
    if not isinstance(fields, dict):
        raise EnvelopeError("the body is not a JSON object")
    return fields


def json_fault(error: ValueError) -> str:
    """Say what jiter found wrong with a text, without a key that it quotes: a sender wrote it."""
    return re.sub(
        r'^Detected duplicate key ".*" at ', "a duplicate key at ", str(error), flags=re.DOTALL
    )


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise EnvelopeError(f"{name}: missing" if value is None else f"{name}: not a string")
    return value


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:5])
