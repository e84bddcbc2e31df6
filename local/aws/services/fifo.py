"""Corrects moto's FIFO queues: order after a timeout, expired handles, deduplication, numbers.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""

import time
from itertools import count
from typing import Any, Final

from moto.sqs.exceptions import InvalidParameterValue
from moto.sqs.models import Message, Queue, SQSBackend

from local.aws.patch import Method, wrap
from local.aws.services.backlog import now_ms

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION: Final = 300.0  # s
_DIGITS: Final = 20  # of a sequence number
_PER_GROUP: Final = "messageGroup"


def correct_fifo_queues() -> None:
    """Apply every correction of this module, before the first queue exists."""
    _deduplicate()
    _report_expired_handles_by_entry()


def refuse_expired(queue: Queue, message: Message, receipt_handle: str) -> None:
    """Refuse a handle of a FIFO queue after its visibility timeout; moto accepts it.

    A standard queue accepts it, too: https://github.com/aws/aws-sdk-js/issues/1279
    """
    if queue.fifo_queue and (message.visible or message.receipt_handle != receipt_handle):
        raise InvalidParameterValue(
            f"Value {receipt_handle} for parameter ReceiptHandle is invalid. "
            "Reason: The receipt handle has expired."
        )


def forget_expired(queue: Queue) -> None:
    """Unblock the groups of messages that became visible again, all at once.

    moto unblocks a group when it comes across such a message in a receive, by then it has skipped
    earlier ones of the group: it would deliver the last of a batch first.
    """
    if queue.fifo_queue and queue.pending_messages:
        queue.pending_messages.difference_update(
            [message for message in queue.pending_messages if message.visible]
        )


def _deduplicate() -> None:
    """Drop what repeats a deduplication id of five minutes, in its scope; answer as before.

    moto compares with the messages that are still in the queue, all of them, whatever the scope.
    Sequence numbers grow; moto draws them.
    """
    numbers = count(1)

    @wrap(Queue, "add_message")
    def add(original: Method, queue: Queue, message: Message) -> None:
        if not queue.fifo_queue:
            original(queue, message)
            return
        with queue._messages_lock:  # noqa: SLF001 - a patch reaches into what it patches
            known = _known(queue)
            group = message.group_id if _scope(queue) == _PER_GROUP else ""
            key, now = (group, message.deduplication_id), time.monotonic()
            while known and now - next(iter(known.values()))[1] > DEDUPLICATION:  # the oldest
                del known[next(iter(known))]
            if key in known:
                first, _ = known[key]
                message.id, message.sequence_number = first.id, first.sequence_number
                return
            message.sequence_number = str(next(numbers)).zfill(_DIGITS)
            # moto takes the time before the lock: two senders could get times against the order.
            message.sent_timestamp = int(now_ms())  # type: ignore[assignment] # moto starts with None
            known[key] = message, now
            queue._messages.append(message)  # noqa: SLF001 - without moto's own comparison
            queue._messages_lock.notify_all()  # noqa: SLF001 - a patch reaches into what it patches


def _known(queue: Queue) -> dict[Any, tuple[Message, float]]:
    found: dict[Any, tuple[Message, float]] = vars(queue).setdefault("deduplicated", {})
    return found


def _scope(queue: Queue) -> str:
    return str(vars(queue).get("deduplication_scope", "queue"))


def _report_expired_handles_by_entry() -> None:
    """Fail the entry of a batch whose handle has expired; moto would fail the batch."""
    for operation in ("delete_message_batch", "change_message_visibility_batch"):

        @wrap(SQSBackend, operation)
        def settle(
            original: Method, backend: SQSBackend, queue_name: str, entries: list[dict[str, Any]]
        ) -> tuple[list[str], list[dict[str, Any]]]:
            succeeded: list[str] = []
            failed: list[dict[str, Any]] = []
            for entry in entries:
                try:
                    done, refused = original(backend, queue_name, [entry])
                except InvalidParameterValue as refusal:
                    done, refused = [], [_refused(entry["Id"], refusal)]
                succeeded += done
                failed += refused
            return succeeded, failed


def _refused(entry_id: str, refusal: InvalidParameterValue) -> dict[str, Any]:
    return {
        "Id": entry_id,
        "SenderFault": True,
        "Code": "InvalidParameterValue",
        "Message": refusal.message,
    }
