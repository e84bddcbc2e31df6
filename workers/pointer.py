"""References to bodies in S3, in the format of AWS's extended client libraries.

    ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": ..., "s3Key": ...}]

https://github.com/awslabs/payload-offloading-java-common-lib-for-aws: its ``PayloadS3Pointer`` has
these two fields. A sender adds a message attribute, ``ExtendedPayloadSize``, with the size of the
body in bytes. It is not needed to read: a dead letter has no room for an eleventh attribute.

A key of ours says which event it holds, without a look at the object, and has the digest of its
bytes:

    2026-11-21/order.created/order-api/EVENT_ID/SHA256

So a committed reference always means the bytes that were committed with it. The same event, handled
a second time before its commit, may have another time in it; then it is another object.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date
from hashlib import sha256
from typing import Final, Self

from workers.envelope import Envelope, EnvelopeError, Event

CLASS: Final = "software.amazon.payloadoffloading.PayloadS3Pointer"
# Earlier versions of the libraries, for SQS and for both, wrote these; the fields are the same.
LEGACY_CLASSES: Final = (
    "com.amazon.sqs.javamessaging.MessageS3Pointer",
    "com.amazonaws.payloadoffloading.PayloadS3Pointer",
)
# The libraries look for one of these attributes before they read a body as a reference.
SIZE: Final = "ExtendedPayloadSize"
LEGACY_SIZE: Final = "SQSLargePayloadSize"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
# Bytes of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES: Final = 1_024

# A bucket and a key of the longest names, with every character of the key escaped.
_MAX_CHARACTERS: Final = 8 * 1_024
_ID: Final = r"[A-Za-z0-9._:-]{1,100}"  # as ``envelope.Id``
_OURS: Final = re.compile(
    rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/({_ID})/({_ID})/({_ID})/([0-9a-f]{{64}})"
)


@dataclass(frozen=True, slots=True)
class Named:
    """The event that a key of ours names."""

    day: date  # on which it occurred
    event_type: str
    source: str
    event_id: str
    digest: str  # SHA-256 of the bytes, in hex

    @classmethod
    def of(cls, envelope: Envelope[Event], body: bytes) -> Self:
        """Name an event, whose encoding is ``body``."""
        return cls(
            envelope.occurred_at.astimezone(UTC).date(),
            envelope.event_type,
            envelope.source,
            envelope.event_id,
            sha256(body).hexdigest(),
        )

    @property
    def key(self) -> str:
        """The key of the object."""
        return f"{self.day}/{self.event_type}/{self.source}/{self.event_id}/{self.digest}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """The place of a body."""

    bucket: str
    key: str

    @property
    def text(self) -> str:
        """The body of the message that refers to it."""
        return json.dumps([CLASS, {"s3BucketName": self.bucket, "s3Key": self.key}])

    @property
    def named(self) -> Named | None:
        """The event that the key names; None if the key is not one of ours."""
        found = _OURS.fullmatch(self.key)
        if found is None:
            return None
        day, *names = found.groups()
        try:
            return Named(date.fromisoformat(day), *names)
        except ValueError:  # 2026-02-30
            return None


def is_reference(body: str) -> bool:
    """Return whether a body may be a reference. An event is a JSON object, never an array."""
    return body.startswith("[")


def pointer_in(body: str) -> Pointer:
    """Read a reference. Raises ``EnvelopeError``, with a text that quotes nothing of it."""
    if len(body) > _MAX_CHARACTERS:
        raise EnvelopeError("the body is a JSON array, too long for a reference to S3")
    try:
        match json.loads(body):
            case [str() as kind, {"s3BucketName": str() as bucket, "s3Key": str() as key}]:
                pass
            case _:
                raise EnvelopeError("the body is a JSON array, but no reference to S3")
        size = len(key.encode())
    except (ValueError, RecursionError):
        raise EnvelopeError("the body is not JSON") from None
    if kind not in (CLASS, *LEGACY_CLASSES):
        raise EnvelopeError("the body refers to something of an unknown class")
    if re.fullmatch(BUCKET, bucket) is None or not 0 < size <= MAX_KEY_BYTES:
        raise EnvelopeError("the body refers to an impossible bucket or key")
    return Pointer(bucket, key)


def pointer_or_none(body: str) -> Pointer | None:
    """Read a reference; None if the body is none. Never raises."""
    try:
        return pointer_in(body) if is_reference(body) else None
    except EnvelopeError:
        return None
