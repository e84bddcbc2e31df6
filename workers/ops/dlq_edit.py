"""Corrects the event in a dead letter: a new event, caused by the original, that meets the schema.

The id of the new event follows from the original and the correction. If the same correction is sent
twice, the second is a duplicate and does nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from workers import cloudevents
from workers.aws.dead_letters import Peeked, take
from workers.aws.holding import Hold
from workers.aws.moving import delete, send
from workers.envelope import Encoded, EnvelopeError, Sign, outcome_id
from workers.events import accepting, group_of
from workers.ops.dlq import DeadMessage
from workers.ops.dlq_place import Place, interpreted
from workers.ops.masking import masked_value, parsed
from workers.signing import FIELD
from workers.topology import Topology

# The correction sets the first two; the others say what the event is, and who said so.
LOCKED: Final = ("eventId", "causationId", "eventType", "source", "correlationId", "traceparent")


class EditError(Exception):
    """The correction is not possible; the text says why."""


@dataclass(frozen=True)
class Change:
    """One field that a correction changes. A value is None if the field is absent."""

    path: str
    old: Any
    new: Any

    def masked(self) -> str:
        """Describe the change without personal data."""
        old, new = (json.dumps(masked_value(self.path, v)) for v in (self.old, self.new))
        return f"{self.path}: {old} -> {new}"


@dataclass(frozen=True)
class Correction:
    """A corrected event, and what is different from the original."""

    body: str
    event_id: str
    changes: tuple[Change, ...]


def corrected(
    letter: DeadMessage,
    *,
    consumes: frozenset[str],
    sets: Sequence[tuple[str, str]] = (),
    text: str | None = None,
    sign: Sign | None = None,
) -> Correction:
    """Return the corrected event: the original with fields set, or a whole new text.

    A value to set is JSON if it can be read as JSON, else a text. ``sign`` signs the new event.
    Raises ``EditError``.
    """
    original = _event(letter.body)
    fields = _replaced(original, text) if text is not None else _with_fields(original, sets)
    changes = tuple(_differences(original or {}, fields, ""))
    if not changes:
        raise EditError("nothing would change")
    cause = str((original or {}).get("eventId") or letter.first_id)
    content = json.dumps({k: v for k, v in fields.items() if k not in LOCKED[:2]}, sort_keys=True)
    fields["eventId"] = outcome_id(
        f"{cause}/{sha256(content.encode()).hexdigest()}", "edit", str(fields.get("eventType"))
    )
    fields["causationId"] = cause
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    if sign:
        body = sign(body)
    try:
        envelope = accepting(Topology.load().publishers)(body)
    except EnvelopeError as error:
        raise EditError(f"the corrected event is not valid: {error}") from None
    if envelope.event_type not in consumes:
        raise EditError(
            f"the service does not consume {envelope.event_type}. It consumes: "
            f"{', '.join(sorted(consumes))}"
        )
    return Correction(body, envelope.event_id, changes)


def replace(place: Place, message_id: str, correction: Correction) -> None:
    """Send the corrected event to the service's queue, and delete the dead letter.

    Raises ``SelectionError`` if the message is gone, ``HeldError`` if another reader holds it.
    """
    taken = take(place.sqs, place.source)
    with Hold.of(place.sqs, place.source, taken.messages) as hold:
        letter = interpreted(place, taken).find(message_id)
        dead = next(message for message in taken.messages if message.id == letter.id)
        hold.let_go([message for message in taken.messages if message.id != letter.id])
        copies, refused = send(place.sqs, place.destination, [_message(dead, correction)])
        if not copies:
            raise EditError(f"SQS refused to send the event: {', '.join(sorted(refused))}")
        delete(place.sqs, place.source, [dead])
        hold.drop([dead])


def _message(dead: Peeked, correction: Correction) -> Peeked:
    """Return the new message, with the attributes and the group of an event from the topic.

    Its id is that of the new event: a FIFO queue would drop it as a repeat if the dead letter, or
    another correction of it, was sent in the last five minutes.
    """
    event = Encoded.read(correction.body)
    texts = event.attributes
    wire = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    return Peeked(
        correction.event_id,
        correction.body,
        attributes=texts,
        receipt_handle=dead.receipt_handle,
        receive_count=dead.receive_count,
        sent_at=dead.sent_at,
        wire=wire,
        group=group_of(event),
    )


def _event(body: str) -> dict[str, Any] | None:
    """Return the fields of the event, raw or wrapped in an SNS notification; None if unreadable."""
    fields = parsed(body)
    if isinstance(fields, dict) and fields.get("Type") == "Notification":
        fields = parsed(str(fields.get("Message", "")))
    if not isinstance(fields, dict):
        return None
    if cloudevents.is_cloudevent(fields):
        fields = cloudevents.to_fields(fields)
    # It belongs to the original text, and would be wrong for any other.
    return {name: value for name, value in fields.items() if name != FIELD}


def _replaced(original: Mapping[str, Any] | None, text: str) -> dict[str, Any]:
    fields = parsed(text)
    if not isinstance(fields, dict):
        raise EditError("the new text is not a JSON object")
    for name in LOCKED:
        if original and name in original and fields.get(name, original[name]) != original[name]:
            raise EditError(f"{name} cannot be changed")
    kept = {name: original[name] for name in LOCKED if original and name in original}
    return kept | fields


def _with_fields(
    original: Mapping[str, Any] | None, sets: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    if original is None:
        raise EditError("the body is not a JSON object: give the whole event with --from")
    fields: dict[str, Any] = json.loads(json.dumps(original))
    for path, text in sets:
        names = path.split(".")
        if names[0] in LOCKED:
            raise EditError(f"{names[0]} cannot be changed")
        _set(fields, names, text, path)
    return fields


def _set(fields: Any, names: Sequence[str], text: str, path: str) -> None:
    """Set the value at a path; the last name may be new."""
    for name in names[:-1]:
        fields = _inner(fields, name, path)
    match fields:
        case dict():
            fields[names[-1]] = _value(text, fields.get(names[-1]))
        case list() if names[-1].isascii() and names[-1].isdigit() and int(names[-1]) < len(fields):
            fields[int(names[-1])] = _value(text, fields[int(names[-1])])
        case _:
            raise EditError(f"{path}: there is no such field")


def _inner(fields: Any, name: str, path: str) -> Any:
    match fields:
        case dict() if name in fields:
            return fields[name]
        case list() if name.isascii() and name.isdigit() and int(name) < len(fields):
            return fields[int(name)]
    raise EditError(f"{path}: there is no such field")


def _value(text: str, old: Any) -> Any:
    """Read JSON, or else a text. A number stays a text where a text was: amounts and versions."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(old, str) and isinstance(value, int | float) else value


def _differences(old: Any, new: Any, path: str) -> Iterator[Change]:
    """Yield the fields that differ, leaves only."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            inner = f"{path}.{name}" if path else name
            yield from _differences(old.get(name), new.get(name), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, f"{path}.{position}")
    elif old != new:
        yield Change(path, old, new)
