"""The bucket of large bodies in S3."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from workers.aws.errors import SDK_ERRORS, code_of, translate, translated
from workers.runtime.errors import FatalError, Missing, PermanentError, Unavailable

S3: Final = "s3"  # the dependency
TIMEOUT: Final = 30.0  # s for the whole of a body; a read of the socket has a timeout of its own
_CHUNK: Final = 128 * 1024  # bytes
_MISSING: Final = "NoSuchKey"
_NO_BUCKET: Final = "NoSuchBucket"
_NO_LIFECYCLE: Final = "NoSuchLifecycleConfiguration"


@dataclass(frozen=True)
class S3Payloads:
    """Implements ``Payloads``.

    ``account`` owns the bucket: somebody else may have created a bucket of the name of one that
    was deleted. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """

    client: Any
    bucket: str
    account: str
    now: Callable[[], float] = time.monotonic

    def put(self, key: str, body: bytes) -> None:
        """Store a body; see ``Payloads``. The SDK adds a checksum, which S3 verifies."""
        with _in_the_environment():
            _check_origin(
                self.client.put_object(
                    Body=body,
                    Bucket=self.bucket,
                    ContentType="application/json",
                    ExpectedBucketOwner=self.account,
                    Key=key,
                )
            )

    def get(self, key: str, limit: int) -> bytes | None:
        """Read a body; see ``Payloads``. The SDK verifies length and checksum."""
        with _in_the_environment():
            answer = self.client.get_object(
                Bucket=self.bucket, ExpectedBucketOwner=self.account, Key=key
            )
            _check_origin(answer)
            with closing(answer["Body"]) as stream:
                if answer["ContentLength"] > limit:
                    return None
                return self._read(stream, limit)

    def _read(self, stream: Any, limit: int) -> bytes | None:
        until, body = self.now() + TIMEOUT, bytearray()
        while chunk := stream.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                return None
            if self.now() > until:
                raise Unavailable(f"s3: the body took longer than {TIMEOUT:.0f} s", dependency=S3)
        return bytes(body)


def lifecycle_of(client: Any, bucket: str, account: str) -> list[Mapping[str, Any]] | None:
    """Return the lifecycle rules of a bucket; None if it does not exist. Raises as ``get``."""
    try:
        with translated(S3):
            answer = client.get_bucket_lifecycle_configuration(
                Bucket=bucket, ExpectedBucketOwner=account
            )
    except (FatalError, PermanentError) as error:
        code = code_of(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
        if code == _NO_BUCKET:
            return None
        if code == _NO_LIFECYCLE:
            return []
        raise
    rules: list[Mapping[str, Any]] = answer["Rules"]
    return rules


@contextmanager
def _in_the_environment() -> Iterator[None]:
    """Translate every error into one that is no fault of a message.

    S3 refuses a request for its own sake only if key or body are impossible, and both are checked
    before. A bucket of another region or a disabled key is refused with 400 too.
    """
    try:
        yield
    except SDK_ERRORS as error:
        if isinstance(error, ClientError) and code_of(error) == _MISSING:
            raise Missing(f"s3: {error}", dependency=S3) from error
        meant = translate(error, S3)
        raise (FatalError(str(meant)) if isinstance(meant, PermanentError) else meant) from error


def _check_origin(answer: Any) -> None:
    """Raise for a success without a request ID: something else answered, such as a proxy."""
    if "RequestId" not in answer["ResponseMetadata"]:
        raise Unavailable("s3: the response is not from AWS", dependency=S3)
