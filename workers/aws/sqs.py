"""An SQS queue and its dead-letter queue."""

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from workers.aws.errors import plain_code, translated
from workers.aws.fifo import ids
from workers.limits import MAX_VISIBILITY_TIMEOUT
from workers.runtime.dead_letter import TEXTS, WANTED, attributes_of
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.ports import MAX_REASON, Failure, Message
from workers.topology import is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# Bytes of body and attributes together, and the characters that SQS refuses:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_MESSAGE_BYTES: Final = 1_048_576
_REFUSED: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPE: Final = "String"
_WANTED: Final = list(WANTED)
_NONE: Final[Mapping[str, str]] = {}
_SYSTEM: Final = ["ApproximateReceiveCount", "SentTimestamp"]
_GROUP: Final = "MessageGroupId"
UNANSWERED: Final = "Unanswered"  # error code of an entry that the response omits


@dataclass(frozen=True, slots=True)
class Depth:
    """Approximate numbers of messages in a queue: they lag by some seconds."""

    visible: int
    in_flight: int
    delayed: int


class Sqs(Protocol):
    """The operations of SQS that a queue uses: an ``SqsWire``, or the SDK's client."""

    def receive_message(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def delete_message_batch(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def change_message_visibility_batch(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def send_message(self, **parameters: Any) -> Any:
        """As the SDK's."""


@dataclass(frozen=True)
class SqsQueue:
    """The port ``Queue``. ``poll`` only receives, so that nothing else waits for an open poll."""

    poll: Sqs
    control: Sqs
    url: str
    dlq_url: str
    service: str
    visibility_timeout: int  # s that a received message stays hidden
    clock: Callable[[], float] = time.time  # epoch seconds

    @property
    def name(self) -> str:
        """The queue's name, as in the AWS console."""
        return self.url.rpartition("/")[2]

    @cached_property
    def _system_attributes(self) -> list[str]:
        """Ask a FIFO queue for groups, too; a standard queue has tenants of that name."""
        return [*_SYSTEM, _GROUP] if is_fifo(self.url) else _SYSTEM

    def receive(self, limit: int, wait: float) -> Sequence[Message]:
        """Receive up to ``limit`` messages, with only the attributes that are used.

        A message from the topic has none of the message attributes in ``WANTED``.
        """
        with _in_the_loop():
            answer = self.poll.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=limit,
                MessageAttributeNames=_WANTED,
                MessageSystemAttributeNames=self._system_attributes,
                VisibilityTimeout=self.visibility_timeout,
                WaitTimeSeconds=int(wait),
            )
            return [
                Message(
                    id=message["MessageId"],
                    body=message["Body"],
                    receipt_handle=message["ReceiptHandle"],
                    receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
                    sent_at=int(message["Attributes"]["SentTimestamp"]) / 1000,
                    attributes=_texts(message.get("MessageAttributes")),
                    group=message["Attributes"].get(_GROUP, ""),
                )
                for message in answer.get("Messages", ())
            ]

    def delete(self, handles: Sequence[str]) -> Mapping[int, str]:
        """Delete up to ten messages; see ``Queue``."""
        if not handles:
            return {}
        with _in_the_loop():
            answer = self.control.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(i), "ReceiptHandle": h} for i, h in enumerate(handles)],
            )
            return _failures(answer, len(handles))

    def change_visibility(self, changes: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """Hide up to ten messages; see ``Queue``. Seconds are clamped to what SQS accepts."""
        if not changes:
            return {}
        with _in_the_loop():
            answer = self.control.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": _clamp(seconds)}
                    for i, (handle, seconds) in enumerate(changes)
                ],
            )
            return _failures(answer, len(changes))

    def dead_letter(self, message: Message, failure: Failure) -> None:
        """Send the body, unchanged, with the reason in its attributes."""
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat()
        texts = attributes_of(message, failure, at)
        with translated("sqs"):
            answer = self.control.send_message(
                QueueUrl=self.dlq_url,
                MessageBody=message.body,
                MessageAttributes=_attributes(texts, MAX_MESSAGE_BYTES - _size(message.body)),
                **(ids(message.group, message.id) if is_fifo(self.dlq_url) else {}),
            )
        if not answer.get("MessageId"):
            raise Unavailable("sqs: the dead letter was not confirmed", dependency="sqs")


def depth(client: "SQSClient", url: str) -> Depth:
    """Return the approximate numbers of messages in a queue."""
    with translated("sqs"):
        counts = client.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )["Attributes"]
    return Depth(
        visible=int(counts["ApproximateNumberOfMessages"]),
        in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
    )


def _texts(attributes: Any) -> Mapping[str, str]:
    if not attributes:
        return _NONE
    return {name: each.get("StringValue", "") for name, each in attributes.items()}


def _attributes(texts: Mapping[str, str], room: int) -> "dict[str, MessageAttributeValueTypeDef]":
    """Keep what fits into ``room`` bytes, in order: even a message of maximum size is sent.

    Only a text for a person is cut: part of an id or of a number would be wrong.
    """
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for name, text in texts.items():
        left = room - _size(name) - _size(_TYPE)
        text = _REFUSED.sub("\ufffd", text or "-")[:MAX_REASON]  # noqa: PLW2901 - what is sent
        value = _fit(text, left)
        if value and (value == text or name in TEXTS):
            attributes[name] = {"DataType": _TYPE, "StringValue": value}
            room = left - _size(value)
    return attributes


def _fit(text: str, room: int) -> str:
    """Truncate a text to ``room`` bytes without splitting a character."""
    return text.encode()[: max(0, room)].decode(errors="ignore")


@contextmanager
def _in_the_loop() -> Iterator[None]:
    """Raise nothing but ``Unavailable`` and ``FatalError``, whatever the response was.

    No message is to blame for a failure of these requests; all that helps is to try again later.
    """
    try:
        with translated("sqs"):
            yield
    except (Unavailable, FatalError):
        raise
    except Exception as error:
        raise Unavailable(f"sqs: {error!r}", dependency="sqs") from error


def _failures(answer: Any, asked: int) -> Mapping[int, str]:
    """Return position -> error code. An entry that the response omits has failed."""
    failed = {int(entry["Id"]): plain_code(entry["Code"]) for entry in answer.get("Failed", ())}
    done = {int(entry["Id"]) for entry in answer.get("Successful", ())}
    missing = set(range(asked)) - done - failed.keys()
    return failed | dict.fromkeys(missing, UNANSWERED)


def _clamp(seconds: float) -> int:
    return min(MAX_VISIBILITY_TIMEOUT, max(0, math.ceil(seconds)))


def _size(text: str) -> int:
    return len(text.encode())
