"""A dead-letter queue of SQS: read all of it, and hide or show messages.

SQS cannot peek. A message that is read is hidden for ``HIDE_SECONDS`` at most, and its receive
count grows by one. That does no harm: a dead-letter queue has no redrive policy of its own, or
reading is refused.

Of a FIFO queue, SQS returns at most ten messages of a group until they are deleted or visible
again: the rest counts as unread, and the next command reads it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated
from workers.limits import MAX_BATCH
from workers.runtime.errors import FatalError
from workers.topology import is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDE_SECONDS: Final = 30  # the longest that a message stays hidden if the reader is killed
READERS: Final = 8  # threads; SQS answers a request with ten messages at most
# Messages of one command. SQS allows 120,000 in flight per queue, those of other readers included:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_READ: Final = 10_000
_SYSTEM: Final[list[Any]] = ["ApproximateReceiveCount", "SentTimestamp"]
_FIFO_SYSTEM: Final[list[Any]] = [*_SYSTEM, "MessageGroupId", "SequenceNumber"]


@dataclass(frozen=True)
class Peeked:
    """A message in a dead-letter queue."""

    id: str
    body: str
    attributes: Mapping[str, str]
    receipt_handle: str
    receive_count: int  # includes receives from the dead-letter queue
    sent_at: float  # epoch seconds: when it got into the dead-letter queue
    wire: Mapping[str, Any]  # the attributes as SQS sent them, to send them on
    group: str = ""  # of a FIFO queue
    sequence: str = ""  # of a FIFO queue: grows within a group, digits of one length

    @property
    def lane(self) -> str:
        """What keeps its order among itself: the group; of a standard queue, the message alone."""
        return self.group or self.id

    @property
    def size(self) -> int:
        """Bytes that count towards the limit of a batch."""
        texts = [t for name, each in self.wire.items() for t in (name, *each.values())]
        return sum(len(t.encode() if isinstance(t, str) else t) for t in (self.body, *texts))


@dataclass(frozen=True)
class Taken:
    """Messages that were read and are hidden, and how many SQS counted before."""

    messages: tuple[Peeked, ...]  # oldest first
    there: int  # approximate: visible and in flight
    limit: int

    @property
    def unread(self) -> int:
        """Messages that are there but were not read."""
        return max(0, self.there - len(self.messages))

    @property
    def held_elsewhere(self) -> int:
        """Messages that another reader hides; 0 if reading ended at the limit."""
        return self.unread if len(self.messages) < self.limit else 0


def take(sqs: "SQSClient", url: str, *, limit: int = MAX_READ) -> Taken:
    """Read up to ``limit`` messages, which stay hidden for ``HIDE_SECONDS``.

    Raises ``FatalError`` if the queue has a redrive policy: reading could move messages on.
    """
    there = _count(sqs, url)
    reading = _Reading(sqs, url, limit)
    try:
        threads = max(1, min(READERS, math.ceil(min(limit, there) / MAX_BATCH)))
        with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
            for reader in [pool.submit(reading.read) for _ in range(threads)]:
                reader.result()
    except BaseException:
        release(sqs, url, [message.receipt_handle for message in reading.found.values()])
        raise
    messages = oldest_first(reading.found.values())
    release(sqs, url, [message.receipt_handle for message in messages[limit:]])
    return Taken(tuple(messages[:limit]), there, limit)


def oldest_first(messages: Iterable[Peeked]) -> list[Peeked]:
    """Sort by time, but the messages of a group by sequence, whatever their times say."""
    times: dict[str, float] = {}  # id -> no earlier than what is ahead in the group
    latest: dict[str, float] = {}  # by lane
    found = sorted(messages, key=lambda each: (each.sequence, each.id))
    for each in found:
        times[each.id] = latest[each.lane] = max(each.sent_at, latest.get(each.lane, 0.0))
    return sorted(found, key=lambda each: times[each.id])


def peek(sqs: "SQSClient", url: str, *, limit: int = MAX_READ) -> Taken:
    """Read up to ``limit`` messages and make them visible again; see ``take``."""
    taken = take(sqs, url, limit=limit)
    release(sqs, url, [message.receipt_handle for message in taken.messages])
    return taken


def release(sqs: "SQSClient", url: str, handles: Sequence[str]) -> None:
    """Make messages visible again. Those that fail become visible by themselves."""
    hide(sqs, url, handles, 0)


def hide(sqs: "SQSClient", url: str, handles: Sequence[str], seconds: int) -> None:
    """Hide messages for so long from now on. SQS ignores handles of messages that are gone."""

    def change(batch: Sequence[str]) -> None:
        with translated("sqs"):
            sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for i, handle in enumerate(batch)
                ],
            )

    batches = [handles[start : start + MAX_BATCH] for start in range(0, len(handles), MAX_BATCH)]
    if batches:
        with ThreadPoolExecutor(min(READERS, len(batches)), thread_name_prefix="hide") as pool:
            list(pool.map(change, batches))


class _Reading:
    """What several threads have read from a queue."""

    def __init__(self, sqs: "SQSClient", url: str, limit: int) -> None:
        self.found: dict[str, Peeked] = {}
        self._sqs, self._url, self._limit = sqs, url, limit
        self._lock = Lock()
        self._ended = False

    def read(self) -> None:
        """Read until a poll finds nothing new."""
        try:
            while not self._ended and (room := self._limit - len(self.found)) > 0:
                batch = _receive(self._sqs, self._url, room)
                with self._lock:
                    fresh = any(message.id not in self.found for message in batch)
                    self.found.update({message.id: message for message in batch})
                self._ended = self._ended or not fresh
        except BaseException:
            self._ended = True
            raise


def _count(sqs: "SQSClient", url: str) -> int:
    with translated("sqs"):
        found = sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "RedrivePolicy",
            ],
        )["Attributes"]
    if found.get("RedrivePolicy"):
        raise FatalError(
            f"{url.rpartition('/')[2]} has a redrive policy of its own, so reading it could move "
            "messages on. Remove the policy from this queue"
        )
    return int(found["ApproximateNumberOfMessages"]) + int(
        found["ApproximateNumberOfMessagesNotVisible"]
    )


def _receive(sqs: "SQSClient", url: str, limit: int) -> list[Peeked]:
    with translated("sqs"):
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(MAX_BATCH, limit),
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=_FIFO_SYSTEM if is_fifo(url) else _SYSTEM,
            VisibilityTimeout=HIDE_SECONDS,
            WaitTimeSeconds=1,  # asks every SQS server; a short poll may miss messages
        )
    return [_peeked(message) for message in answer.get("Messages", [])]


def _peeked(message: Any) -> Peeked:
    attributes, system = message.get("MessageAttributes", {}), message.get("Attributes", {})
    kept = ("DataType", "StringValue", "BinaryValue")
    return Peeked(
        id=message["MessageId"],
        body=message["Body"],
        attributes={name: each.get("StringValue", "") for name, each in attributes.items()},
        receipt_handle=message["ReceiptHandle"],
        receive_count=int(system.get("ApproximateReceiveCount", 0)),
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        wire={name: {k: each[k] for k in kept if k in each} for name, each in attributes.items()},
        group=system.get("MessageGroupId", ""),
        sequence=system.get("SequenceNumber", ""),
    )
