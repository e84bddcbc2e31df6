"""Refuses requests that SQS refuses and moto accepts, so that they fail during development.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from moto.sqs.exceptions import SQSException
from moto.sqs.models import Message, SQSBackend
from moto.sqs.responses import SQSResponse

from local.aws.patch import Method, wrap

MAX_BYTES: Final = 1_048_576  # of a message, and of all messages of a batch
MAX_ATTRIBUTES: Final = 10
MAX_ENTRIES: Final = 10

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")

Entry = dict[str, Any]


def refuse_what_sqs_refuses() -> None:
    """Apply the rules to SendMessage and to the three batch operations."""

    @wrap(SQSResponse, "send_message")
    def send(original: Method, request: SQSResponse) -> object:
        refuse_empty(request._get_param("MessageBody"), "MessageBody")  # noqa: SLF001 - moto's reader
        refuse_message(
            request._get_param("MessageBody"),  # noqa: SLF001 - moto's reader
            request._get_param("MessageAttributes", {}),  # noqa: SLF001 - moto's reader
        )
        return original(request)

    @wrap(SQSBackend, "send_message_batch")
    def send_batch(
        original: Method, backend: SQSBackend, queue_name: str, entries: dict[str, Entry]
    ) -> tuple[list[Message], list[Entry]]:
        refuse_batch([entry["Id"] for entry in entries.values()])
        accepted, failed = _split(entries)
        refuse_total(accepted.values())
        sent, also_failed = original(backend, queue_name, accepted) if accepted else ([], [])
        return sent, failed + also_failed

    for operation in ("delete_message_batch", "change_message_visibility_batch"):

        @wrap(SQSResponse, operation)
        def settle_batch(original: Method, request: SQSResponse) -> object:
            entries = request._get_param("Entries", [])  # noqa: SLF001 - moto's reader
            refuse_batch([entry["Id"] for entry in entries])
            return original(request)


def refuse_empty(body: str, parameter: str) -> None:
    """Refuse an empty message."""
    if not body:
        raise SQSException(
            "MissingParameter", f"The request must contain the parameter {parameter}."
        )


def refuse_message(body: str, attributes: Mapping[str, Entry]) -> None:
    """Refuse characters invalid in XML, over ten attributes, or over 1 MiB with attributes."""
    if found := forbidden_character(body):
        raise SQSException("InvalidMessageContents", f"Invalid character {found} in the message.")
    if len(attributes) > MAX_ATTRIBUTES:
        raise SQSException(
            "InvalidParameterValue",
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum "
            f"[{MAX_ATTRIBUTES}].",
        )
    if size(body, attributes) > MAX_BYTES:
        raise SQSException(
            "InvalidParameterValue",
            "One or more parameters are invalid. "
            f"Reason: Message must be shorter than {MAX_BYTES} bytes.",
        )


def refuse_batch(ids: list[str]) -> None:
    """Refuse over ten entries, and ids that are not 1 to 80 of ``A-Z a-z 0-9 _ -``."""
    if len(ids) > MAX_ENTRIES:
        raise SQSException(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(ids)}.",
        )
    if not all(_ENTRY_ID.match(each) for each in ids):
        raise SQSException(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long.",
        )


def refuse_total(entries: Iterable[Entry]) -> None:
    """Refuse messages of over 1 MiB in total."""
    total = sum(size(entry["MessageBody"], entry["MessageAttributes"]) for entry in entries)
    if total > MAX_BYTES:
        raise SQSException(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {total} bytes.",
        )


def forbidden_character(text: str) -> str | None:
    """Return the first character that a message must not contain, as ``#x1F``."""
    found = _FORBIDDEN.search(text)
    return f"#x{ord(found.group()):X}" if found else None


def size(body: str, attributes: Mapping[str, Entry]) -> int:
    """Return the bytes of a message: body, and name, type and value of each attribute."""
    parts = [part for name, each in attributes.items() for part in (name, *each.values())]
    return sum(_bytes(part) for part in (body, *parts))


def _bytes(part: str | bytes | None) -> int:
    # A lone surrogate is refused as a forbidden character, not here.
    return len(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part or b"")


def _split(entries: dict[str, Entry]) -> tuple[dict[str, Entry], list[Entry]]:
    """Split a batch: a refused message fails its own entry, not the batch."""
    accepted, failed = {}, []
    for position, entry in entries.items():
        parameter = f"SendMessageBatchRequestEntry.{int(position) + 1}.MessageBody"
        refuse_empty(entry["MessageBody"], parameter)
        try:
            refuse_message(entry["MessageBody"], entry["MessageAttributes"])
        except SQSException as refusal:
            reply = {"Code": refusal.code, "Message": refusal.message, "SenderFault": True}
            failed.append({"Id": entry["Id"], **reply})
        else:
            accepted[position] = entry
    return accepted, failed
