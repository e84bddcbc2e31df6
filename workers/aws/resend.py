"""Sends events to one queue, as the topic would deliver them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from workers.aws.errors import translated
from workers.aws.fifo import ids
from workers.envelope import Encoded
from workers.events import group_of
from workers.limits import MAX_BATCH, MAX_PUBLISH_BYTES
from workers.runtime.errors import Unavailable
from workers.topology import is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# Requests at a time: at 50 ms each, eight send 1,600 events a second.
THREADS: Final = 8
_TYPE: Final = "String"
_TRIES: Final = 5
_FIRST_WAIT: Final = 0.1  # s, doubling, with jitter
_LONGEST_WAIT: Final = 2.0  # s


@dataclass(frozen=True)
class Sender:
    """Sends to one queue with up to ``THREADS`` requests at a time."""

    sqs: "SQSClient"
    url: str
    pool: ThreadPoolExecutor
    # Part of the deduplication ids in a FIFO queue: a replay is another sending than the first.
    run: str = field(default_factory=lambda: uuid4().hex[:8])

    def send(self, events: Sequence[Encoded]) -> None:
        """Send all events, body and attributes unchanged: to a FIFO queue in the given order.

        After a failure some events may have been sent, one or more times; the inbox of the service
        recognises them. Raises ``Unavailable`` if SQS accepts an event in none of five tries, and
        ``FatalError`` if access is denied.
        """
        if is_fifo(self.url):
            for batch in _batches(events, self.run):
                self._send(batch)
            return
        for _ in self.pool.map(self._send, _batches(events)):
            pass

    def _send(self, batch: Sequence[Any]) -> None:
        waiting = list(batch)
        patient = Retrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        for attempt in patient:
            with attempt:
                with translated("sqs"):
                    answer = self.sqs.send_message_batch(QueueUrl=self.url, Entries=waiting)
                accepted = {entry["Id"] for entry in answer.get("Successful", ())}
                waiting = [entry for entry in waiting if entry["Id"] not in accepted]
                if waiting:
                    raise Unavailable(f"sqs: {_why(answer)}", dependency="sqs")


def _batches(events: Sequence[Encoded], run: str = "") -> Iterator[list[Any]]:
    """Make batches that keep the limits of a request."""
    batch: list[Any] = []
    room = MAX_PUBLISH_BYTES
    for number, event in enumerate(events):
        entry, size = _entry(number, event)
        if run:
            entry |= ids(group_of(event), f"{event.event_id}.{run}")
        if batch and (len(batch) == MAX_BATCH or size > room):
            yield batch
            batch, room = [], MAX_PUBLISH_BYTES
        batch.append(entry)
        room -= size
    if batch:
        yield batch


def _entry(number: int, event: Encoded) -> tuple[Any, int]:
    """Return an entry as SNS delivers it with raw delivery, and its size in bytes."""
    texts = event.attributes.items()
    attributes = {name: {"DataType": _TYPE, "StringValue": text} for name, text in texts}
    size = len(event.body.encode()) + sum(len(n) + len(_TYPE) + len(t.encode()) for n, t in texts)
    entry = {"Id": str(number), "MessageBody": event.body, "MessageAttributes": attributes}
    return entry, size


def _why(answer: Any) -> str:
    codes = sorted({entry["Code"] for entry in answer.get("Failed", ())})
    return f"not all messages were accepted: {', '.join(codes) or 'no reason given'}"
