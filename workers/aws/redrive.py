"""Moves the messages of a dead-letter queue back to a queue, for an operator."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from workers.aws.errors import code_of, translated
from workers.aws.moving import RedriveError, move_one_by_one

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ListMessageMoveTasksResultEntryTypeDef as Task

POLL_SECONDS: Final = 0.5  # between two requests for the state of a move task
POLLS_PER_REPORT: Final = 10
# How long to wait for a move task (s). The task itself goes on, for up to 36 hours.
MOVE_TIMEOUT: Final = 15 * 60.0
_ACTIVE: Final = frozenset({"RUNNING", "CANCELLING"})
# Emulators without move tasks answer with one of these codes. SQS answers InvalidParameterValue if
# the source is not the dead-letter queue of a queue (it holds what SNS could not deliver), and
# while another task runs.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
_NO_MOVE_TASKS: Final = frozenset(
    {"InvalidAction", "InvalidParameterValue", "NotImplemented", "UnsupportedOperation"}
)

Report = Callable[[int, int], None]  # the number of messages moved, and to move


def redrive(
    sqs: "SQSClient",
    source: str,
    destination: str,
    *,
    report: Report = lambda _moved, _total: None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Move every message of a dead-letter queue to another queue; return how many were moved.

    Uses a move task of SQS where the service has them, and waits for its end; ``report`` is called
    every few seconds. The task needs the destination: a message that a worker dead-lettered does
    not carry its source.

    Raises ``RedriveError`` if another task is moving messages out of the queue, if the task fails
    or is cancelled, if it takes longer than ``MOVE_TIMEOUT``, or if a message cannot be sent.
    """
    with translated("sqs"):
        source_arn = _arn(sqs, source)
        earlier = _newest_task(sqs, source_arn)
        _refuse_if_active(earlier)
        try:
            sqs.start_message_move_task(SourceArn=source_arn, DestinationArn=_arn(sqs, destination))
        except ClientError as error:
            if code_of(error) not in _NO_MOVE_TASKS:
                raise
            _refuse_if_active(_newest_task(sqs, source_arn))  # started since we looked
            return move_one_by_one(sqs, source, destination)
        return _wait(sqs, source_arn, earlier, report, sleep)


def _wait(
    sqs: "SQSClient",
    source_arn: str,
    earlier: "Task",
    report: Report,
    sleep: Callable[[float], None],
) -> int:
    """Wait for the end of the task after ``earlier``; return the number of messages moved."""
    task: Task = {}
    for poll in range(1, int(MOVE_TIMEOUT / POLL_SECONDS) + 1):
        newest = _newest_task(sqs, source_arn)
        # A new task may be missing from the first lists.
        task = newest if newest.get("StartedTimestamp") != earlier.get("StartedTimestamp") else task
        match task.get("Status"):
            case "COMPLETED":
                return _moved(task)
            case "FAILED":
                reason = task.get("FailureReason", "SQS gave no reason")
                raise RedriveError(f"the move task failed after {_progress(task)}: {reason}")
            case "CANCELLED":
                raise RedriveError(f"the move task was cancelled after {_progress(task)}")
        if poll % POLLS_PER_REPORT == 0:
            report(_moved(task), _total(task))
        sleep(POLL_SECONDS)
    raise RedriveError(
        f"the move task is still running after {MOVE_TIMEOUT / 60:.0f} minutes and "
        f"{_progress(task)}. It goes on by itself: run the command again later to see"
    )


def _newest_task(sqs: "SQSClient", source_arn: str) -> "Task":
    """Return the last move task out of a queue; empty if there was none."""
    try:
        found = sqs.list_message_move_tasks(SourceArn=source_arn, MaxResults=1)
    except ClientError as error:
        if code_of(error) not in _NO_MOVE_TASKS:
            raise
        return {}
    tasks = found.get("Results", [])
    return tasks[0] if tasks else {}


def _refuse_if_active(task: "Task") -> None:
    if task.get("Status") in _ACTIVE:
        raise RedriveError(
            f"another move task is running on the dead-letter queue ({_progress(task)}). "
            "SQS runs one at a time: wait until it ends"
        )


def _progress(task: "Task") -> str:
    return f"{_moved(task)} of {_total(task)} messages"


def _moved(task: "Task") -> int:
    return task.get("ApproximateNumberOfMessagesMoved", 0)


def _total(task: "Task") -> int:
    return task.get("ApproximateNumberOfMessagesToMove", 0)  # missing until SQS has counted


def _arn(sqs: "SQSClient", url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
