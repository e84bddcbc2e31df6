"""Dead letters: what is in a dead-letter queue and why, and the way back."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from workers.aws.errors import code_of, translated
from workers.aws.sqs import depth
from workers.envelope import EnvelopeError, decode

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_BATCH: Final = 10
LOOK_SECONDS: Final = 30  # how long a look hides a message, at most
MOVE_SECONDS: Final = 60  # how long a message being moved is hidden
POLL_SECONDS: Final = 0.5  # between looks at a move task
# What a service answers that has no move tasks, as emulators; and SQS, which moves what its own
# redrive brought, but not what SNS could not deliver: InvalidParameterValue.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
_NO_MOVE_TASKS: Final = frozenset(
    {"InvalidAction", "InvalidParameterValue", "NotImplemented", "UnsupportedOperation"}
)
_UNEXPLAINED: Final = "SQS moved it: received too often without an answer (was a worker killed?)"


@dataclass(frozen=True)
class DeadMessage:
    """One message in a dead-letter queue. Empty strings stand for what is not known."""

    id: str
    event_type: str
    event_id: str
    order_id: str
    type: str  # of the failure
    reason: str
    attempts: int
    trail: str  # when, where and how each attempt ended
    failed_at: str  # ISO 8601
    receive_count: int  # by the dead-letter queue's readers too
    body: str
    receipt_handle: str


def look(sqs: "SQSClient", url: str, *, limit: int = 100) -> list[DeadMessage]:
    """List up to ``limit`` messages and make them visible again.

    SQS knows no peeking: each look adds one to the messages' receive counts.
    """
    found: dict[str, DeadMessage] = {}
    with translated("sqs"):
        try:
            while len(found) < limit:
                batch = _receive(sqs, url, limit - len(found), LOOK_SECONDS)
                found.update({message["MessageId"]: _read(message) for message in batch})
                if not batch:
                    break
        finally:
            for handles in _batches([message.receipt_handle for message in found.values()]):
                sqs.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                        for i, handle in enumerate(handles)
                    ],
                )
    return list(found.values())


def redrive(
    sqs: "SQSClient", source: str, destination: str, *, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Move every message of a dead-letter queue back; returns how many were moved.

    SQS's own task does it where there is one. It needs the destination named: messages that a
    worker sent here carry no source.
    """
    with translated("sqs"):
        try:
            return _move_by_task(sqs, _arn(sqs, source), _arn(sqs, destination), sleep)
        except ClientError as error:
            if code_of(error) not in _NO_MOVE_TASKS:
                raise
        return _move_one_by_one(sqs, source, destination)


def _move_by_task(
    sqs: "SQSClient", source: str, destination: str, sleep: Callable[[float], None]
) -> int:
    sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
    while True:
        task = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            return task["ApproximateNumberOfMessagesMoved"]
        sleep(POLL_SECONDS)


def _move_one_by_one(sqs: "SQSClient", source: str, destination: str) -> int:
    """Receive, send, and only then delete: a crash leaves a duplicate, never a loss.

    Stops after as many as were there at the start: what fails again may be back already.
    """
    remaining = _count(sqs, source)
    moved = 0
    while remaining > moved and (batch := _receive(sqs, source, remaining - moved, MOVE_SECONDS)):
        sent = sqs.send_message_batch(
            QueueUrl=destination,
            Entries=[{"Id": str(i), "MessageBody": m["Body"]} for i, m in enumerate(batch)],
        ).get("Successful", [])
        if not sent:
            break
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
        WaitTimeSeconds=1,  # asks every SQS server; a short poll may find nothing
    )
    return list(answer.get("Messages", []))


def _read(message: Any) -> DeadMessage:
    texts = {n: a.get("StringValue", "") for n, a in message.get("MessageAttributes", {}).items()}
    attempts = texts.get("failure.attempts", "")
    try:
        envelope = decode(message["Body"])
    except EnvelopeError:
        envelope = None
    return DeadMessage(
        id=message["MessageId"],
        event_type=envelope.event_type if envelope else "",
        event_id=envelope.event_id if envelope else "",
        order_id=envelope.data.order_id if envelope else "",
        type=texts.get("failure.type", "unknown"),
        reason=texts.get("failure.reason", _UNEXPLAINED),
        attempts=int(attempts) if attempts.isdigit() else 0,
        trail=texts.get("failure.trail", ""),
        failed_at=texts.get("failure.at", ""),
        receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
    )


def _batches(handles: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(handles), MAX_BATCH):
        yield handles[start : start + MAX_BATCH]


def _arn(sqs: "SQSClient", url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


def _count(sqs: "SQSClient", url: str) -> int:
    waiting = depth(sqs, url)
    return waiting.visible + waiting.in_flight
