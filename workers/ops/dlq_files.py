"""Dead letters in a file, one JSON document per line, with their attributes.

A file goes back into the dead-letter queue it came from, so redrive stays the one way back.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from workers.aws.dead_letters import Peeked
from workers.aws.moving import RedriveError, batches, send
from workers.envelope import Encoded, EnvelopeError
from workers.events import group_of
from workers.limits import MAX_BATCH
from workers.ops.dlq import explained
from workers.ops.dlq_place import Place

FIRST_ID: Final = "source.messageId"  # tells a message again that is imported twice


class FileError(Exception):
    """The file cannot be imported; the text names the line."""


def lines_of(service: str, kind: str, messages: Iterable[Peeked]) -> list[str]:
    """Write messages as lines."""
    return [
        json.dumps(
            {
                "service": service,
                "queue": kind,
                "id": message.id,
                "sentAt": message.sent_at,
                "group": message.group,
                "sequence": message.sequence,
                "body": message.body,
                "attributes": {name: _plain(each) for name, each in message.wire.items()},
            },
            ensure_ascii=False,
        )
        for message in messages
    ]


def read_lines(text: str, service: str, kind: str) -> list[Peeked]:
    """Read lines. Raises ``FileError`` for a line of another service, or of another format."""
    # Not splitlines(): a body may have a line separator, which JSON does not escape.
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return [_message(number, line, service, kind) for number, line in lines]


def absent(messages: Sequence[Peeked], present: Iterable[Peeked]) -> list[Peeked]:
    """Return the messages that are not in the queue yet, each once."""
    known = {explained(message).first_id for message in present}
    return list({m.id: m for m in messages if explained(m).first_id not in known}.values())


def put_back(place: Place, messages: Sequence[Peeked]) -> int:
    """Send messages to the dead-letter queue, those of a group in order; return how many.

    Raises ``RedriveError``.
    """
    sent = 0
    # A file may be sorted otherwise. Standard queues have no sequence: they keep the file's order.
    for batch in batches(sorted(messages, key=lambda message: message.sequence)):
        copies, refused = send(place.sqs, place.source, batch)
        sent += len(copies)
        if refused:
            raise RedriveError(
                f"SQS refused to send after {sent} of {len(messages)} messages: "
                f"{', '.join(sorted(refused))}. To go on, import the file again"
            )
    return sent


def _message(number: int, line: str, service: str, kind: str) -> Peeked:
    try:
        fields = json.loads(line)
        of, queue = fields["service"], fields["queue"]
        message_id, body = fields["id"], fields["body"]
        group, sequence = (fields.get(name, "") for name in ("group", "sequence"))
        wire = {str(name): _wire(each) for name, each in fields["attributes"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise FileError(f"line {number} is not a message from dlq export") from None
    if (of, queue) != (service, kind):
        raise FileError(f"line {number} is of {of} ({queue}), not of {service} ({kind})")
    if not (isinstance(message_id, str) and isinstance(body, str) and body):
        raise FileError(f"line {number} has no body")
    if not (isinstance(group, str) and isinstance(sequence, str)):
        raise FileError(f"line {number} is not a message from dlq export")
    if len(wire) > MAX_BATCH:
        raise FileError(f"line {number} has more than ten attributes")
    message = Peeked(
        id=message_id,
        body=body,
        attributes={name: each.get("StringValue", "") for name, each in wire.items()},
        receipt_handle="",
        receive_count=0,
        sent_at=0.0,
        wire=wire,
        group=group or _group(message_id, body),
        sequence=sequence,
    )
    return message if FIRST_ID in wire or len(wire) == MAX_BATCH else _named(message)


def _group(message_id: str, body: str) -> str:
    """Return the group of a message from a standard queue, or from a file that does not name it.

    It is the one that publishers give the event; of a body that cannot be read, or is stored
    elsewhere, the id.
    """
    try:
        return group_of(Encoded.read(body))
    except EnvelopeError:
        return message_id


def _named(message: Peeked) -> Peeked:
    """Keep the first id as an attribute: the message gets another id."""
    attribute = {"DataType": "String", "StringValue": message.id}
    return replace(
        message,
        attributes={**message.attributes, FIRST_ID: message.id},
        wire={**message.wire, FIRST_ID: attribute},
    )


def _plain(attribute: Any) -> dict[str, str]:
    found = {"type": attribute["DataType"]}
    if "BinaryValue" in attribute:
        return found | {"binary": base64.b64encode(attribute["BinaryValue"]).decode()}
    return found | {"text": attribute.get("StringValue", "")}


def _wire(plain: Any) -> dict[str, Any]:
    if "binary" in plain:
        return {"DataType": plain["type"], "BinaryValue": base64.b64decode(plain["binary"])}
    return {"DataType": str(plain["type"]), "StringValue": str(plain["text"])}
