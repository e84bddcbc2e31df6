"""The topic of SNS."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from workers.aws.errors import SDK_ERRORS, meaning, plain_code, translate
from workers.envelope import Encoded
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.ports import Outcomes

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
MAX_BATCH: Final = 10
MAX_BATCH_BYTES: Final = 262_144  # bodies and attributes of all entries
_TYPE: Final = "String"

# An entry with its size in bytes. Its id is the position of the event.
Sized: TypeAlias = "tuple[PublishBatchRequestEntryTypeDef, int]"


@dataclass(frozen=True)
class SnsTopic:
    """The port ``Topic``."""

    client: "SNSClient"
    arn: str

    def publish(self, events: Outcomes) -> Mapping[int, Exception]:
        """Publish all, in as few batches as their sizes allow; see ``Topic``."""
        errors: dict[int, Exception] = {}
        entries: list[Sized] = []
        for position, event in enumerate(events):
            entry, size = _entry(position, event)
            if size > MAX_BATCH_BYTES:
                errors[position] = PermanentError(f"sns: {size} bytes, over {MAX_BATCH_BYTES}")
            else:
                entries.append((entry, size))
        for batch in _batches(entries):
            errors |= self._publish(batch)
        return errors

    def _publish(
        self, batch: "Sequence[PublishBatchRequestEntryTypeDef]"
    ) -> Mapping[int, Exception]:
        try:
            answer = self.client.publish_batch(
                TopicArn=self.arn, PublishBatchRequestEntries=list(batch)
            )
        except SDK_ERRORS as sdk_error:
            error = _publish_error(translate(sdk_error, "sns"))
            if isinstance(error, PermanentError) and len(batch) > 1:
                # Some services refuse the whole batch for one bad entry: find out which it is.
                return {p: e for entry in batch for p, e in self._publish([entry]).items()}
            return {int(entry["Id"]): error for entry in batch}
        return {
            int(failed["Id"]): _publish_error(
                meaning(plain_code(failed["Code"]), failed.get("Message", failed["Code"]), "sns")
            )
            for failed in answer.get("Failed", ())
        }


def _batches(entries: Sequence[Sized]) -> "Iterator[list[PublishBatchRequestEntryTypeDef]]":
    batch: list[PublishBatchRequestEntryTypeDef] = []
    room = MAX_BATCH_BYTES
    for entry, size in entries:
        if len(batch) == MAX_BATCH or size > room:
            yield batch
            batch, room = [], MAX_BATCH_BYTES
        batch.append(entry)
        room -= size
    if batch:
        yield batch


def _entry(position: int, event: Encoded) -> Sized:
    size = len(event.body.encode()) + sum(
        len(name) + len(_TYPE) + len(text.encode()) for name, text in event.attributes.items()
    )
    entry: PublishBatchRequestEntryTypeDef = {
        "Id": str(position),
        "Message": event.body,
        "MessageAttributes": {
            name: {"DataType": _TYPE, "StringValue": text}
            for name, text in event.attributes.items()
        },
    }
    return entry, size


def _publish_error(error: Exception) -> Exception:
    """Keep the event if the topic is gone or closed to us: that says nothing about the event."""
    if isinstance(error, FatalError):
        return Unavailable(str(error), dependency="sns")
    return error
