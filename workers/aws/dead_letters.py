"""A dead-letter queue of SQS, for an operator: look at its messages, or move them one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.aws.sqs import depth
from workers.limits import MAX_BATCH

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOOK_SECONDS: Final = 30  # the longest that looking hides a message
MOVE_SECONDS: Final = 60  # how long a message is hidden while it is moved


class RedriveError(Exception):
    """Not all messages were moved; the text says why."""


@dataclass(frozen=True)
class Peeked:
    """A message in a dead-letter queue."""

    id: str
    body: str
    attributes: Mapping[str, str]
    receipt_handle: str
    receive_count: int  # includes receives from the dead-letter queue


def peek(sqs: "SQSClient", url: str, *, limit: int) -> list[Peeked]:
    """Receive up to ``limit`` messages and make them visible again.

    SQS cannot peek: each call adds one to the messages' receive counts.
    """
    found: dict[str, Peeked] = {}
    with translated("sqs"):
        try:
            while len(found) < limit:
                batch = _receive(sqs, url, limit - len(found), LOOK_SECONDS)
                found.update({message["MessageId"]: _peeked(message) for message in batch})
                if not batch:
                    break
        finally:
            _show(sqs, url, [message.receipt_handle for message in found.values()])
    return list(found.values())


def move_one_by_one(sqs: "SQSClient", source: str, destination: str) -> int:
    """Move messages without a move task; return how many. Raises ``RedriveError``.

    Receives, sends, and only then deletes: a crash leaves a duplicate, never a loss. Stops after as
    many messages as there were at the start: one that fails again may be back already.
    """
    counts = depth(sqs, source)
    remaining = counts.visible + counts.in_flight
    moved = 0
    while remaining > moved and (batch := _receive(sqs, source, remaining - moved, MOVE_SECONDS)):
        answer = sqs.send_message_batch(
            QueueUrl=destination,
            Entries=[{"Id": str(i), "MessageBody": m["Body"]} for i, m in enumerate(batch)],
        )
        sent = answer.get("Successful", [])
        if not sent:
            reasons = sorted({entry["Code"] for entry in answer.get("Failed", [])})
            raise RedriveError(
                f"SQS refused to send after {moved} of {remaining} messages: {', '.join(reasons)}"
            )
        sqs.delete_message_batch(
            QueueUrl=source,
            Entries=[
                {"Id": entry["Id"], "ReceiptHandle": batch[int(entry["Id"])]["ReceiptHandle"]}
                for entry in sent
            ],
        )
        moved += len(sent)
    return moved


def _receive(sqs: "SQSClient", url: str, limit: int, hide: int) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=min(MAX_BATCH, limit),
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        VisibilityTimeout=hide,
        WaitTimeSeconds=1,  # asks every SQS server; a short poll may miss messages
    )
    return list(answer.get("Messages", []))


def _show(sqs: "SQSClient", url: str, handles: Sequence[str]) -> None:
    """Make messages visible."""
    for start in range(0, len(handles), MAX_BATCH):
        sqs.change_message_visibility_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for i, handle in enumerate(handles[start : start + MAX_BATCH])
            ],
        )


def _peeked(message: Any) -> Peeked:
    attributes = message.get("MessageAttributes", {})
    return Peeked(
        id=message["MessageId"],
        body=message["Body"],
        attributes={name: each.get("StringValue", "") for name, each in attributes.items()},
        receipt_handle=message["ReceiptHandle"],
        receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
    )
