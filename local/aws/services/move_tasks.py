"""Adds the message move tasks of SQS, with which an operator redrives a dead-letter queue.

A task runs in a thread of its own, like on AWS, so that a client can see it running.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
"""

import time
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, Final
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.sqs.exceptions import InvalidParameterValue, QueueDoesNotExist, SQSException
from moto.sqs.models import Queue, SQSBackend
from moto.sqs.responses import SQSResponse

HIDE: Final = 30  # s that a message is hidden while it is moved
_GONE: Final = "AWS.SimpleQueueService.NonExistentQueue"


@dataclass
class MoveTask:
    """A task that moves the messages which were visible at its start."""

    backend: SQSBackend
    source: str  # ARN
    destination: str  # ARN
    rate: int | None  # messages a second; None: as fast as possible
    total: int
    handle: str = field(default_factory=lambda: uuid4().hex)
    started: int = field(default_factory=lambda: round(time.time() * 1000))  # ms since the epoch
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None
    cancelled: Event = field(default_factory=Event)

    def run(self) -> None:
        """Move the messages one by one, and record how it ended."""
        try:
            while self.moved < self.total and not self._paused_until_cancelled():
                if not self._move_one():
                    break
        except QueueDoesNotExist:
            self.status, self.failure = "FAILED", _GONE
        else:
            self.status = "CANCELLED" if self.cancelled.is_set() else "COMPLETED"

    def as_entry(self) -> dict[str, Any]:
        """Return the task as ListMessageMoveTasks does: the handle only while it runs."""
        optional = {
            "FailureReason": self.failure,
            "MaxNumberOfMessagesPerSecond": self.rate,
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
        }
        return {
            "Status": self.status,
            "SourceArn": self.source,
            "DestinationArn": self.destination,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.total,
            "StartedTimestamp": self.started,
        } | {name: value for name, value in optional.items() if value is not None}

    def _paused_until_cancelled(self) -> bool:
        return self.cancelled.wait(1 / self.rate) if self.rate else self.cancelled.is_set()

    def _move_one(self) -> bool:
        """Send before deleting. Returns False if no message is visible."""
        source, destination = _name(self.source), _name(self.destination)
        self.backend.get_queue(destination)
        for message in self.backend.receive_message(source, 1, 0, HIDE, ["All"]):
            # A copy is another message: with the ids of the first, a FIFO queue would drop it.
            ids = {"group_id": message.group_id, "deduplication_id": message.id}
            self.backend.send_message(
                destination,
                message.body,
                message.message_attributes,
                **(ids if message.group_id else {}),  # type: ignore[arg-type] # both are texts
            )
            self.backend.delete_message(source, message.receipt_handle)  # type: ignore[arg-type] # set by receiving
            self.moved += 1
            return True
        return False


def add_move_tasks() -> None:
    """Add the three operations; moto has none of them."""
    tasks: list[MoveTask] = []  # newest first
    lock = Lock()

    def start(request: SQSResponse) -> ActionResult:
        source = _parameter(request, "SourceArn")
        destination = _parameter(request, "DestinationArn")
        with lock:
            task = MoveTask(
                request.sqs_backend,
                source,
                destination,
                request._get_param("MaxNumberOfMessagesPerSecond"),  # noqa: SLF001 - moto's reader
                _count(request.sqs_backend, source, destination),
            )
            if any(each.source == source and each.status == "RUNNING" for each in tasks):
                raise InvalidParameterValue(
                    "There is already a task running. "
                    "Only one active task is allowed for a source queue arn at a given time."
                )
            tasks.insert(0, task)
        Thread(target=task.run, daemon=True).start()
        return ActionResult({"TaskHandle": task.handle})

    def list_(request: SQSResponse) -> ActionResult:
        source = _parameter(request, "SourceArn")
        _find(request.sqs_backend, source, "SourceArn")
        wanted = int(request._get_param("MaxResults", 1))  # noqa: SLF001 - moto's reader
        with lock:
            found = [task.as_entry() for task in tasks if task.source == source]
        return ActionResult({"Results": found[:wanted]})

    def cancel(request: SQSResponse) -> ActionResult:
        handle = _parameter(request, "TaskHandle")
        with lock:
            found = [each for each in tasks if each.handle == handle and each.status == "RUNNING"]
        for task in found:
            task.cancelled.set()
            return ActionResult({"ApproximateNumberOfMessagesMoved": task.moved})
        raise SQSException("ResourceNotFoundException", "Task does not exist.")

    for name, operation in {
        "start_message_move_task": start,
        "list_message_move_tasks": list_,
        "cancel_message_move_task": cancel,
    }.items():
        setattr(SQSResponse, name, operation)


def _count(backend: SQSBackend, source: str, destination: str) -> int:
    """Return the number of messages to move. Refuses a source that is no dead-letter queue."""
    queue = _find(backend, source, "SourceArn")
    if not backend.list_dead_letter_source_queues(queue.name):
        raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
    if _find(backend, destination, "DestinationArn").fifo_queue != queue.fifo_queue:
        raise InvalidParameterValue("Source and destination must be queues of the same type.")
    visible: int = queue.approximate_number_of_messages
    return visible


def _find(backend: SQSBackend, arn: str, parameter: str) -> Queue:
    try:
        return backend.get_queue(_name(arn))
    except QueueDoesNotExist:
        raise SQSException(
            "ResourceNotFoundException",
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
        ) from None


def _parameter(request: SQSResponse, name: str) -> str:
    """Return a parameter. Our operators always name the destination, which SQS could look up."""
    value: str | None = request._get_param(name)  # noqa: SLF001 - moto's reader
    if not value:
        raise SQSException("MissingParameter", f"The request must contain the parameter {name}.")
    return value


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
