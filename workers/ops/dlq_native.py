"""Redrives all dead letters by a move task of SQS, which needs no reading."""

from workers.aws.redrive import redrive
from workers.aws.sqs import depth
from workers.ops.dlq_place import DLQ, Place
from workers.ops.dlq_redrive import Moved, Progress
from workers.ops.operations import Operation


def redrive_all(place: Place, operation: Operation, progress: Progress) -> Moved | None:
    """Move everything; None if our own mover has to, because messages are in doubt.

    Also if SQS has no move task for the queue, as for what SNS could not deliver. A task that does
    not move messages held by another reader is no success. Raises ``RedriveError``.
    """
    if place.kind != DLQ or (operation.earlier and operation.earlier.intents):
        return None
    before = depth(place.sqs, place.source)
    moved = redrive(
        place.sqs,
        place.source,
        place.destination,
        report=lambda moved, total: progress("moving", moved, total),
    )
    missing = max(0, before.visible + before.in_flight - moved)
    unread = min(before.in_flight, missing)  # what another reader held
    return Moved(selected=moved, moved=moved, unread=unread)
