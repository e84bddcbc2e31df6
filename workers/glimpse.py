"""Reads what it can of an envelope that was refused, so that a failure can be named and found.

It uses neither the catalogue nor the decoder: a body that the decoder cannot read, or that ends the
process while it is decoded, must not do the same here. Only ids and types are read. A value that
does not look like an id is left out, so no personal data gets into a log or a row.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from workers import cloudevents
from workers.envelope import Envelope, Event
from workers.pointer import pointer_or_none

# As ``envelope.Id``, and the trace id inside a traceparent.
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID: Final = slice(3, 35)
_NAMES: Final = ("eventType", "eventId", "source", "correlationId", "traceparent")


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The fields of an event that say which one it is. A field that is not known is empty."""

    event_type: str = ""
    event_id: str = ""
    source: str = ""
    correlation_id: str = ""
    trace_id: str = ""
    subject: Mapping[str, str] = field(default_factory=dict)  # such as {"orderId": ...}

    @classmethod
    def of(cls, envelope: Envelope[Event]) -> "Glimpse":
        """Return the fields of an envelope that was read."""
        return cls(
            envelope.event_type,
            envelope.event_id,
            envelope.source,
            envelope.correlation_id,
            (envelope.traceparent or "")[_TRACE_ID],
            envelope.data.subject,
        )

    @property
    def key(self) -> str:
        """``Envelope.key`` as far as it can be read: empty without the source or the id."""
        return f"{self.source}#{self.event_id}" if self.source and self.event_id else ""

    def fields(self) -> dict[str, str]:
        """Return the log fields of the event, those that are known."""
        fields = {
            "eventType": self.event_type,
            "eventId": self.event_id,
            "correlationId": self.correlation_id,
            **self.subject,
            "source": self.source,
            "traceId": self.trace_id,
        }
        return {name: text for name, text in fields.items() if text}


def fields_of(envelope: Envelope[Event]) -> dict[str, str]:
    """Return ``Glimpse.of(envelope).fields()``, faster: every message needs it."""
    fields = {
        "eventType": envelope.event_type,
        "eventId": envelope.event_id,
        "correlationId": envelope.correlation_id,
        **envelope.data.subject,
        "source": envelope.source,
    }
    if envelope.traceparent:
        fields["traceId"] = envelope.traceparent[_TRACE_ID]
    return fields


def glimpse(body: str, subject: Iterable[str] = ()) -> Glimpse:
    """Read what can be read of a body, raw or wrapped in an SNS notification. Never raises.

    ``subject`` names the fields of ``data`` that say what the event is about. A body that is not
    JSON, a truncated one for instance, is searched for the fields by name. Of a body that lies in
    S3, the key tells type, id and source.
    """
    if (pointer := pointer_or_none(body)) is not None:
        named = pointer.named
        return Glimpse(named.event_type, named.event_id, named.source) if named else Glimpse()
    names = tuple(subject)
    fields = _parsed(body)
    if fields is None:
        texts = {name: _searched(body, name) for name in (*_NAMES, *names)}
        found: Mapping[str, object] = texts
        data: object = texts
    else:
        found, data = fields, fields.get("data")
    inner: Mapping[str, object] = data if isinstance(data, dict) else {}
    about = {name: text for name in names if (text := _id(inner.get(name)))}
    trace = found.get("traceparent")
    traced = isinstance(trace, str) and _TRACEPARENT.fullmatch(trace)
    return Glimpse(
        event_type=_id(found.get("eventType")),
        event_id=_id(found.get("eventId")),
        source=_id(found.get("source")),
        correlation_id=_id(found.get("correlationId")),
        trace_id=str(trace)[_TRACE_ID] if traced else "",
        subject=about,
    )


def _parsed(body: str) -> Mapping[str, object] | None:
    """Parse the body, without SNS's wrapping; None if it is not JSON."""
    fields = _json(body)
    if isinstance(fields, dict) and fields.get("Type") == "Notification":
        inner = fields.get("Message")
        fields = _json(inner) if isinstance(inner, str) else fields
    if fields is None:
        return None
    if not isinstance(fields, dict):
        return {}
    return cloudevents.to_fields(fields) if cloudevents.is_cloudevent(fields) else fields


def _json(body: str) -> object:
    # The standard library's parser: the decoder uses another one.
    try:
        return json.loads(body, parse_int=_ignored, parse_float=_ignored)
    except (ValueError, RecursionError):
        return None


def _ignored(_number: str) -> None:
    """Skip a number: one of thousands of digits would take long, or raise."""


def _searched(body: str, name: str) -> str:
    """Return the first value given to a name, also where its quotes are escaped."""
    pattern = rf'"{name}\\?"\s{{0,9}}:\s{{0,9}}\\?"({_ID.pattern}|{_TRACEPARENT.pattern})\\?"'
    found = re.search(pattern, body)
    return found.group(1) if found else ""


def _id(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
