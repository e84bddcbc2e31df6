"""Sends messages of a dead-letter queue on, and deletes them there."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from workers.aws.dead_letters import Peeked, release, take
from workers.aws.errors import plain_code, translated
from workers.aws.fifo import ids
from workers.aws.sqs import MAX_MESSAGE_BYTES
from workers.limits import MAX_BATCH
from workers.topology import is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_TRIES: Final = 3  # for an entry of a batch; SQS refuses one alone when it is throttled or broken


class RedriveError(Exception):
    """Not all messages were moved; the text says why."""


def send(sqs: "SQSClient", url: str, batch: Sequence[Peeked]) -> tuple[dict[str, str], set[str]]:
    """Send up to ten messages on, with their attributes; what SQS refuses, up to three times.

    To a FIFO queue, it sends one message of a group at a time: SQS may refuse one entry of a
    request and accept the next. The rest of a group whose message is refused is not sent.

    Returns id -> the id of the copy, and the error codes of what was not sent.
    """
    copies: dict[str, str] = {}
    refused: set[str] = set()
    stuck: set[str] = set()
    for turn in _turns(batch) if is_fifo(url) else (batch,):
        ready = [message for message in turn if message.lane not in stuck]
        sent, codes = _send(sqs, url, ready)
        copies |= sent
        refused |= codes
        stuck |= {message.lane for message in ready if message.id not in sent}
    return copies, refused


def _turns(messages: Sequence[Peeked]) -> list[list[Peeked]]:
    """Split messages, in order, into parts that have one message of a group at most."""
    turns: list[list[Peeked]] = []
    ahead: Counter[str] = Counter()
    for message in messages:
        if ahead[message.lane] == len(turns):
            turns.append([])
        turns[ahead[message.lane]].append(message)
        ahead[message.lane] += 1
    return turns


def _send(sqs: "SQSClient", url: str, batch: Sequence[Peeked]) -> tuple[dict[str, str], set[str]]:
    copies: dict[str, str] = {}
    refused: set[str] = set()
    for _ in range(_TRIES):
        left = [message for message in batch if message.id not in copies]
        if not left:
            break
        with translated("sqs"):
            answer = sqs.send_message_batch(
                QueueUrl=url,
                Entries=[_entry(i, message, url) for i, message in enumerate(left)],
            )
        copies |= {left[int(e["Id"])].id: e["MessageId"] for e in answer.get("Successful", [])}
        refused = {plain_code(entry["Code"]) for entry in answer.get("Failed", [])}
    if len(copies) < len(batch):
        # An entry that the answer does not mention counts as not accepted.
        refused = refused or {"NotMentioned"}
    return copies, refused


def _entry(number: int, message: Peeked, url: str) -> "SendMessageBatchRequestEntryTypeDef":
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": str(number),
        "MessageBody": message.body,
        "MessageAttributes": dict(message.wire),
    }
    if is_fifo(url):
        # The id of the dead letter: with that of the event, SQS would drop an early redrive.
        entry.update(ids(message.group, message.id))  # type: ignore[typeddict-item]  # both are known keys
    return entry


def delete(sqs: "SQSClient", url: str, batch: Sequence[Peeked]) -> None:
    """Delete up to ten messages. One that cannot be deleted becomes visible again.

    Raises ``RedriveError`` if SQS refuses.
    """
    if not batch:
        return
    with translated("sqs"):
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(i), "ReceiptHandle": message.receipt_handle}
                for i, message in enumerate(batch)
            ],
        )
    if failed := answer.get("Failed", []):
        codes = ", ".join(sorted({plain_code(entry["Code"]) for entry in failed}))
        raise RedriveError(f"SQS refused to delete {len(failed)} messages: {codes}")


def batches(messages: Sequence[Peeked], most: int = MAX_BATCH) -> Iterator[list[Peeked]]:
    """Split messages into batches that SQS accepts: ten messages, and 1 MiB in total."""
    batch: list[Peeked] = []
    for message in messages:
        full = len(batch) == most
        if full or sum(m.size for m in (*batch, message)) > MAX_MESSAGE_BYTES:
            if batch:
                yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch


def move_one_by_one(sqs: "SQSClient", source: str, destination: str) -> int:
    """Move all messages without a move task; return how many. Raises ``RedriveError``.

    Sends, and only then deletes: a crash leaves a duplicate, never a loss. What arrives meanwhile
    stays: a message that fails again may be back already.
    """
    taken, moved = take(sqs, source), 0
    for batch in batches(taken.messages):
        copies, refused = send(sqs, destination, batch)
        delete(sqs, source, [message for message in batch if message.id in copies])
        moved += len(copies)
        if refused:
            left = [message.receipt_handle for message in taken.messages[moved:]]
            release(sqs, source, left)
            raise RedriveError(
                f"SQS refused to send after {moved} of {len(taken.messages)} messages: "
                f"{', '.join(sorted(refused))}"
            )
    return moved
