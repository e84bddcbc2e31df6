"""Dead letters: which messages are in a dead-letter queue, and why."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.aws.dead_letters import Peeked, peek
from workers.envelope import EnvelopeError
from workers.events import decode

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


def look(sqs: "SQSClient", url: str, *, limit: int = 100) -> list[DeadMessage]:
    """List up to ``limit`` messages and make them visible again.

    SQS cannot peek: each call adds one to the messages' receive counts.
    """
    return [_explained(message) for message in peek(sqs, url, limit=limit)]


def _explained(message: Peeked) -> DeadMessage:
    texts = message.attributes
    attempts = texts.get("failure.attempts", "")
    try:
        envelope = decode(message.body)
    except EnvelopeError:
        envelope = None
    return DeadMessage(
        id=message.id,
        event_type=envelope.event_type if envelope else "",
        event_id=envelope.event_id if envelope else "",
        order_id=str(envelope.data.subject.get("orderId", "")) if envelope else "",
        type=texts.get("failure.type", "unknown"),
        reason=texts.get("failure.reason", _UNEXPLAINED),
        attempts=int(attempts) if attempts.isdigit() else 0,
        trail=texts.get("failure.trail", ""),
        failed_at=texts.get("failure.at", ""),
        receive_count=message.receive_count,
        body=message.body,
        receipt_handle=message.receipt_handle,
    )
