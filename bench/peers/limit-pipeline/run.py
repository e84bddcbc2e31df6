"""A sketch of the best runtime on boto3: slots, ten messages ahead, batched deletes and renewals.

Without error handling, shutdown and metrics, it marks the limit of what a runtime could reach.
"""

import time
from queue import SimpleQueue
from threading import Condition, Thread

import boto3
from botocore.config import Config
from handler import CONCURRENCY, URL, VISIBILITY_TIMEOUT, WAIT, handle

BATCH = 10
AHEAD = 10  # messages received in addition to the slots
LINGER = 0.05  # s that a delete waits for others to share its batch
DELETERS = 2

sqs = boto3.client("sqs", config=Config(parameter_validation=False, tcp_keepalive=True))
work: "SimpleQueue[dict]" = SimpleQueue()
leases: dict[str, float] = {}  # receipt handle -> start of its visibility timeout (monotonic)
settled = Condition()
deletes: list[str] = []


class Slots:
    """Limits the messages that are being handled or received ahead."""

    def __init__(self) -> None:
        self._free = CONCURRENCY + AHEAD
        self._changed = Condition()

    def take(self, number: int) -> None:
        """Wait until there is room for ``number`` messages."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= number)
            self._free -= number

    def release(self, number: int) -> None:
        """Release room for ``number`` messages."""
        with self._changed:
            self._free += number
            if self._free >= BATCH:
                self._changed.notify()


slots = Slots()


def fetch() -> None:
    """Receive messages as long as there is room."""
    while True:
        slots.take(BATCH)
        answer = sqs.receive_message(QueueUrl=URL, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT)
        messages = answer.get("Messages", [])
        for message in messages:
            leases[message["ReceiptHandle"]] = time.monotonic()
            work.put(message)
        slots.release(BATCH - len(messages))


def process() -> None:
    """Handle one message after the other."""
    while True:
        message = work.get()
        handle(message["Body"])
        leases.pop(message["ReceiptHandle"], None)
        _settle(message["ReceiptHandle"])
        slots.release(1)


def delete() -> None:
    """Delete in batches of ten, or after ``LINGER`` s."""
    while True:
        with settled:
            settled.wait_for(lambda: deletes)
            settled.wait_for(lambda: len(deletes) >= BATCH, LINGER)
            batch = deletes[:BATCH]
            del deletes[:BATCH]
        if batch:
            answer = sqs.delete_message_batch(QueueUrl=URL, Entries=_entries(batch))
            for failed in answer.get("Failed", []):
                _settle(batch[int(failed["Id"])])


def renew() -> None:
    """Renew messages that have used half of their visibility timeout."""
    while True:
        time.sleep(VISIBILITY_TIMEOUT / 4)
        half = time.monotonic() - VISIBILITY_TIMEOUT / 2
        due = [handle for handle, hidden_at in list(leases.items()) if hidden_at <= half]
        for begin in range(0, len(due), BATCH):
            batch = due[begin : begin + BATCH]
            entries = [
                {**entry, "VisibilityTimeout": VISIBILITY_TIMEOUT} for entry in _entries(batch)
            ]
            sqs.change_message_visibility_batch(QueueUrl=URL, Entries=entries)
            for handle_ in batch:
                if handle_ in leases:
                    leases[handle_] = time.monotonic()


def _settle(receipt_handle: str) -> None:
    with settled:
        deletes.append(receipt_handle)
        if len(deletes) in (1, BATCH):
            settled.notify()


def _entries(handles: list[str]) -> list[dict[str, object]]:
    return [{"Id": str(position), "ReceiptHandle": each} for position, each in enumerate(handles)]


for target in [fetch, renew, *[delete] * DELETERS, *[process] * CONCURRENCY]:
    Thread(target=target).start()
