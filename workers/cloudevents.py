"""Maps CloudEvents 1.0 in structured JSON to the fields of an envelope, and back.

    eventId        id
    eventType      type              unchanged: the specification recommends a prefix, no more
    eventVersion   eventversion      an extension; 1.0 without it
    source         source            with a slash in front: a reference relative to our host
    occurredAt     time
    correlationId  correlationid     an extension; the id without it
    causationId    causationid       an extension
    traceparent    traceparent       the extension for distributed tracing
    data           data

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from collections.abc import Mapping
from typing import Final

SPEC_VERSION: Final = "1.0"
MARK: Final = "specversion"  # every CloudEvent has it, and no envelope
_JSON: Final = "application/json"
_OLDEST: Final = "1.0"  # of the envelope
# Without "source", whose value differs.
_NAMES: Final = {
    "id": "eventId",
    "type": "eventType",
    "eventversion": "eventVersion",
    "time": "occurredAt",
    "correlationid": "correlationId",
    "causationid": "causationId",
    "traceparent": "traceparent",
    "data": "data",
}


def is_cloudevent(fields: Mapping[str, object]) -> bool:
    """Return whether the fields of a JSON object are those of a CloudEvent."""
    return MARK in fields and "eventType" not in fields


def problem_of(fields: Mapping[str, object]) -> str:
    """Say why a CloudEvent cannot be read as an envelope; empty if it can be tried."""
    if "data_base64" in fields:
        return "data_base64: binary data is not read; send a JSON object as data"
    content = fields.get("datacontenttype") or _JSON
    media = str(content).partition(";")[0].strip().lower()
    if media != _JSON and not media.endswith("+json"):
        return "datacontenttype: not JSON"
    missing = [name for name in ("id", "source", "type", "time") if not fields.get(name)]
    return f"{missing[0]}: missing from the CloudEvent" if missing else ""


def to_fields(event: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of the envelope that a CloudEvent stands for; null counts as absent."""
    fields = {ours: event[name] for name, ours in _NAMES.items() if event.get(name) is not None}
    fields.setdefault("eventVersion", _OLDEST)
    if "eventId" in fields:
        fields.setdefault("correlationId", fields["eventId"])
    if isinstance(source := event.get("source"), str):
        fields["source"] = source.removeprefix("/")
    return fields


def of_fields(fields: Mapping[str, object], subject: str = "") -> dict[str, object]:
    """Return the CloudEvent of an envelope's fields; ``subject`` names what the event is about.

    Fields that the mapping does not know are left out; ``data`` is kept whole.
    """
    event: dict[str, object] = {MARK: SPEC_VERSION, "datacontenttype": _JSON}
    if subject:
        event["subject"] = subject
    event["source"] = f"/{fields['source']}"
    return event | {
        name: fields[ours] for name, ours in _NAMES.items() if fields.get(ours) is not None
    }
