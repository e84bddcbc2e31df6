"""Dead letters: which messages are in a dead-letter queue, and why."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.aws.dead_letters import MAX_READ, Peeked, peek
from workers.envelope import EnvelopeError
from workers.events import decode
from workers.events import peek as peek_event
from workers.pointer import is_reference, pointer_in
from workers.runtime.observability.logs import redact

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_UNEXPLAINED: Final = "SQS moved it: received too often without an answer (was a worker killed?)"


@dataclass(frozen=True)
class DeadMessage:
    """One message in a dead-letter queue. A text that is not known is empty."""

    id: str
    event_type: str
    event_id: str
    order_id: str
    type: str  # of the failure
    reason: str
    attempts: int
    trail: str  # when, where and how each attempt ended
    failed_at: str  # ISO 8601
    receive_count: int  # includes receives from the dead-letter queue
    body: str
    receipt_handle: str
    # An older version of the worker did not write these attributes.
    first_at: str = ""  # ISO 8601: of the first failure, before any redrive
    redrives: int = 0
    stack: str = ""  # a hash
    first_id: str = ""  # the SQS id of the first delivery
    key: str = ""  # of the event in the service's table: ``inbox#``, ``failures#``
    sent_at: float = 0.0  # epoch seconds: when it got into the dead-letter queue
    schema: str = ""  # why the body is neither an event nor a reference; empty if it is one


def look(sqs: "SQSClient", url: str, *, limit: int = MAX_READ) -> list[DeadMessage]:
    """List up to ``limit`` messages and make them visible again.

    SQS cannot peek: each call adds one to the messages' receive counts.
    """
    return [explained(message) for message in peek(sqs, url, limit=limit).messages]


def explained(message: Peeked) -> DeadMessage:
    """Read a message and the attributes that a worker gave it when it gave the message up."""
    texts = message.attributes
    envelope, schema = None, ""
    try:
        if is_reference(message.body):
            pointer_in(message.body)
        else:
            envelope = decode(message.body)
    except EnvelopeError as error:
        schema = f"{error.name}: {error}"
    first_id = texts.get("source.messageId") or message.id
    event = peek_event(message.body)
    return DeadMessage(
        id=message.id,
        event_type=event.event_type,
        event_id=event.event_id,
        order_id=event.subject.get("orderId", ""),
        type=texts.get("failure.type", "unknown"),
        reason=redact(texts.get("failure.reason", _UNEXPLAINED)),
        attempts=_number(texts.get("failure.attempts", "")),
        trail=redact(texts.get("failure.trail", "")),
        failed_at=texts.get("failure.at", ""),
        receive_count=message.receive_count,
        body=message.body,
        receipt_handle=message.receipt_handle,
        first_at=texts.get("failure.first_at") or texts.get("failure.at", ""),
        redrives=_number(texts.get("failure.redrives", "")),
        stack=texts.get("failure.stack", ""),
        first_id=first_id,
        key=envelope.key
        if envelope
        else texts.get("failure.key") or event.key or f"message#{first_id}",
        sent_at=message.sent_at,
        schema=schema,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0  # noqa: PLR2004
