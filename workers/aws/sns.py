"""Publishes events to an SNS topic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from workers.aws.errors import SDK_ERRORS, meaning, plain_code, translate
from workers.aws.fifo import ids
from workers.envelope import Encoded
from workers.events import group_of
from workers.limits import MAX_BATCH, MAX_PUBLISH_BYTES
from workers.pointer import SIZE
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.ports import Outcomes
from workers.topology import is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

_TYPE: Final = "String"
_NUMBER: Final = "Number"  # as long as the other

# An entry and its size in bytes. The entry's id is the position of its event.
Sized: TypeAlias = "tuple[PublishBatchRequestEntryTypeDef, int]"


@dataclass(frozen=True)
class SnsTopic:
    """Implements ``Topic``."""

    client: "SNSClient"
    arn: str

    def publish(self, events: Outcomes) -> Mapping[int, Exception]:
        """Publish all events, in as few batches as the limits allow; see ``Topic``."""
        errors: dict[int, Exception] = {}
        entries: list[Sized] = []
        for position, event in enumerate(events):
            entry, size = _entry(position, event, fifo=is_fifo(self.arn))
            if size > MAX_PUBLISH_BYTES:
                errors[position] = PermanentError(
                    f"sns: the event has {size} bytes; the limit is {MAX_PUBLISH_BYTES}"
                )
            else:
                entries.append((entry, size))
        if is_fifo(self.arn):
            return errors | self._publish_in_order(entries)
        for batch in _batches(entries):
            errors |= self._publish(batch)
        return errors

    def _publish_in_order(self, entries: Sequence[Sized]) -> dict[int, Exception]:
        """Publish events that keep the order of each group: one of it at a time.

        SNS may refuse one entry of a batch and accept the next. After an event that has to be tried
        again, the rest of its group waits, too.
        """
        errors: dict[int, Exception] = {}
        left = list(entries)
        while left:
            firsts: dict[str, Sized] = {}
            later = [
                each
                for each in left
                if firsts.setdefault(each[0]["MessageGroupId"], each) is not each
            ]
            for batch in _batches(list(firsts.values())):
                errors |= self._publish(batch)
            left = []
            for entry, size in later:
                before = errors.get(int(firsts[entry["MessageGroupId"]][0]["Id"]))
                if isinstance(before, Unavailable):
                    errors[int(entry["Id"])] = before
                else:
                    left.append((entry, size))
        return errors

    def _publish(
        self, batch: "Sequence[PublishBatchRequestEntryTypeDef]"
    ) -> Mapping[int, Exception]:
        try:
            response = self.client.publish_batch(
                TopicArn=self.arn, PublishBatchRequestEntries=list(batch)
            )
        except SDK_ERRORS as sdk_error:
            error = _publish_error(translate(sdk_error, "sns"))
            if isinstance(error, PermanentError) and len(batch) > 1:
                # Some SNS implementations refuse a batch because of one entry: send each alone.
                return {p: e for entry in batch for p, e in self._publish([entry]).items()}
            return {int(entry["Id"]): error for entry in batch}
        errors: dict[int, Exception] = {
            int(failed["Id"]): _publish_error(
                meaning(plain_code(failed["Code"]), failed.get("Message", failed["Code"]), "sns")
            )
            for failed in response.get("Failed", ())
        }
        accepted = {int(entry["Id"]) for entry in response.get("Successful", ())}
        # An entry that the response does not mention counts as not accepted.
        missing = Unavailable("sns: the response does not mention this entry", dependency="sns")
        sent = {int(entry["Id"]) for entry in batch}
        return errors | dict.fromkeys(sent - accepted - errors.keys(), missing)


def _batches(entries: Sequence[Sized]) -> "Iterator[list[PublishBatchRequestEntryTypeDef]]":
    batch: list[PublishBatchRequestEntryTypeDef] = []
    room = MAX_PUBLISH_BYTES
    for entry, size in entries:
        if len(batch) == MAX_BATCH or size > room:
            yield batch
            batch, room = [], MAX_PUBLISH_BYTES
        batch.append(entry)
        room -= size
    if batch:
        yield batch


def _entry(position: int, event: Encoded, *, fifo: bool) -> Sized:
    size = len(event.body.encode()) + sum(
        len(name) + len(_TYPE) + len(text.encode()) for name, text in event.attributes.items()
    )
    entry: PublishBatchRequestEntryTypeDef = {
        "Id": str(position),
        "Message": event.body,
        "MessageAttributes": {
            name: {"DataType": _NUMBER if name == SIZE else _TYPE, "StringValue": text}
            for name, text in event.attributes.items()
        },
    }
    if fifo:
        entry |= ids(group_of(event), event.event_id)  # type: ignore[typeddict-item]  # both are known keys
    return entry, size


def _publish_error(error: Exception) -> Exception:
    """Turn ``FatalError`` into ``Unavailable``: a missing topic is no fault of the event."""
    if isinstance(error, FatalError):
        return Unavailable(str(error), dependency="sns")
    return error
