"""Large events: their text is stored in S3, and everything else carries a reference to it.

Messages and inbox rows hold the reference instead of the text, encoded once. The object is stored
before the commit that refers to it, so a crash leaves an object that nothing refers to, and never a
reference to nothing. Objects expire by age, never when a message is handled: five services,
retries, redrives and replays read the same one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from workers.envelope import MAX_BODY_BYTES, Decode, Encoded, Envelope, EnvelopeError, Event
from workers.limits import MAX_ITEM_BYTES
from workers.pointer import SIZE, Named, Pointer, is_reference, pointer_in
from workers.runtime.crash import crash_point
from workers.runtime.errors import FatalError, Missing, PermanentError
from workers.runtime.ports import Message, Outcomes, Payloads

# Bytes of one body. Ten handlers that decode one each, at about eight times its size, need 160 MiB
# of the 512 MiB of the smallest task.
MAX_PAYLOAD_BYTES: Final = 2 * 1024 * 1024
# Bytes that the outcomes of one handling may take in its inbox row; the rest is for other fields.
ROW_BYTES: Final = MAX_ITEM_BYTES - 16 * 1024
# Characters that fit everywhere: UTF-8 takes at most four bytes for each.
SMALL: Final = MAX_BODY_BYTES // 4

# Days after which S3 deletes an object; terraform/payloads.tf has the same number. An event can be
# replayed for 90 days (``memory.INBOX_RETENTION``), wait in a queue for 14 more and in its
# dead-letter queue for 14. S3 counts from the next midnight.
EXPIRY_DAYS: Final = 120
# S3 removes objects in the background: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
_GRACE: Final = timedelta(days=2)


class PayloadRefused(PermanentError):
    """A reference that this service does not follow, or an object that is not what it says."""

    name = "payload_refused"


class PayloadExpired(PermanentError):
    """The object of a message has been deleted, because of its age."""

    name = "payload_expired"


@dataclass(frozen=True)
class LargeEvents:
    """Stores large events, and reads those that a message refers to."""

    payloads: Payloads
    decode: Decode[Event]
    utcnow: Callable[[], datetime]

    def carry(self, envelopes: Sequence[Envelope[Event]], outcomes: Outcomes) -> Outcomes:
        """Return the encoded outcomes of one handling, large ones stored and as references.

        An outcome is large if it does not fit into a message, or has more than its share of the
        inbox row. Raises ``PermanentError`` for one of more than ``MAX_PAYLOAD_BYTES``, and what
        ``Payloads.put`` raises.
        """
        if sum(len(event.body) for event in outcomes) <= SMALL:
            return outcomes
        share = min(MAX_BODY_BYTES, ROW_BYTES // len(outcomes))
        pairs = zip(envelopes, outcomes, strict=True)
        return tuple(self._carried(envelope, event, share) for envelope, event in pairs)

    def read(self, message: Message) -> Envelope[Event]:
        """Read the event in a message, or the one that it refers to.

        A message may be larger than those of this code: the libraries use all of SNS's limit.

        Raises ``EnvelopeError`` if the reference or the event cannot be read, ``PayloadRefused``,
        ``PayloadExpired``, and what ``Payloads.get`` raises: an outage, which lasts at most until
        the object would have expired anyway.
        """
        if not is_reference(message.body):
            return self.decode(message.body, limit=MAX_PAYLOAD_BYTES)
        pointer = pointer_in(message.body)
        return self._checked(pointer, self._fetched(pointer, message))

    def _carried(self, envelope: Envelope[Event], event: Encoded, limit: int) -> Encoded:
        body = event.body.encode()
        if len(body) <= limit:
            return event
        if len(body) > MAX_PAYLOAD_BYTES:
            raise PermanentError(
                f"{event.attributes['eventType']} has {len(body)} bytes; the limit of a stored "
                f"event is {MAX_PAYLOAD_BYTES}"
            )
        key = Named.of(envelope, body).key
        self.payloads.put(key, body)
        crash_point("payload.stored")
        return replace(
            event,
            body=Pointer(self.payloads.bucket, key).text,
            attributes={**event.attributes, SIZE: str(len(body))},
        )

    def _fetched(self, pointer: Pointer, message: Message) -> bytes:
        if pointer.bucket != self.payloads.bucket:
            raise PayloadRefused(
                f"the body is in bucket {pointer.bucket}, and this service reads only "
                f"{self.payloads.bucket}"
            )
        try:
            body = self.payloads.get(pointer.key, MAX_PAYLOAD_BYTES)
        except (Missing, FatalError) as error:
            # Without s3:ListBucket, S3 answers 403 for an object that does not exist.
            if self._has_expired(pointer, message):
                raise PayloadExpired(
                    f"the body is not in bucket {pointer.bucket} any more, where objects expire "
                    f"after {EXPIRY_DAYS} days"
                ) from error
            raise
        if body is None:
            raise PayloadRefused(f"the body has more than {MAX_PAYLOAD_BYTES} bytes")
        return body

    def _has_expired(self, pointer: Pointer, message: Message) -> bool:
        """Return whether the age of the object explains that it is gone.

        A redrive and a replay make a new message, so the day in a key of ours comes first.
        """
        named = pointer.named
        stored = (
            datetime(named.day.year, named.day.month, named.day.day, tzinfo=UTC)
            if named
            else datetime.fromtimestamp(message.sent_at, UTC)
        )
        return self.utcnow() - stored > timedelta(days=EXPIRY_DAYS) + _GRACE

    def _checked(self, pointer: Pointer, raw: bytes) -> Envelope[Event]:
        try:
            body = raw.decode()
        except UnicodeDecodeError:
            raise EnvelopeError("the stored body is not UTF-8") from None
        envelope = self.decode(body, limit=MAX_PAYLOAD_BYTES)
        named = pointer.named
        if named is not None and Named.of(envelope, raw) != named:
            raise PayloadRefused("the stored body is not the event that its key names")
        return envelope
