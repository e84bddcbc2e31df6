"""The archive of every published event: files of JSON lines in S3, by day and type of event.

    events/day=2026-11-21/type=order.created/NAME.gz

The topic delivers each event to Amazon Data Firehose, which writes the files. The day is that of
the event's ``occurredAt``, not of its delivery: an event that was published a day late is still
found under the day on which it happened. ``terraform/archive.tf`` and ``local/archive.py`` set up
the same layout.
"""

import gzip
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Self

from botocore.exceptions import ClientError

from workers.aws.clients import Clients
from workers.aws.errors import SDK_ERRORS, code_of, translate, translated
from workers.aws.payloads import S3Payloads
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.ports import Payloads
from workers.settings import Settings

# Firehose evaluates the query for each event, and puts the results into the prefix.
# https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html
QUERY: Final = "{day:.occurredAt[0:10],type:.eventType}"
PREFIX: Final = "events/day=!{partitionKeyFromQuery:day}/type=!{partitionKeyFromQuery:type}/"
# Events that the query could not read, and what else could not be delivered.
ERROR_PREFIX: Final = "errors/!{firehose:error-output-type}/"

_DAYS: Final = "events/day="
_MISSING: Final = "NoSuchBucket"


@dataclass(frozen=True)
class File:
    """A file of the archive."""

    key: str
    size: int  # bytes
    written_at: datetime


@dataclass(frozen=True)
class Archive:
    """Reads the archive."""

    client: Any
    bucket: str
    payloads: Payloads | None = None  # where events are that did not fit into a message

    @classmethod
    def find(cls, clients: Clients, settings: Settings) -> Self:
        """Find the archive of the environment by its name, which contains the account."""
        with translated("sts"):
            account = clients.sts().get_caller_identity()["Account"]
        client, large = clients.s3(), settings.payload_bucket
        payloads = S3Payloads(client, large, account) if large else None
        return cls(client, bucket_name(settings.name_prefix, account), payloads)

    def days(self) -> list[date]:
        """List the days that have events, oldest first. Raises as ``files``."""
        found = []
        for page in self._pages(Prefix=_DAYS, Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                # A publisher may have sent anything as a time.
                with suppress(ValueError):
                    found.append(date.fromisoformat(each["Prefix"].removeprefix(_DAYS).strip("/")))
        return sorted(found)

    def files(self, day: date, event_type: str) -> Iterator[File]:
        """List the files of a day and a type of event, by key.

        Raises ``FatalError`` if the environment has no archive, and ``Unavailable``.
        """
        for page in self._pages(Prefix=prefix_of(day, event_type)):
            for found in page.get("Contents", ()):
                yield File(found["Key"], found["Size"], found["LastModified"])

    def _pages(self, **asked: str) -> Iterator[Any]:
        pages = self.client.get_paginator("list_objects_v2")
        try:
            yield from pages.paginate(Bucket=self.bucket, **asked)
        except SDK_ERRORS as error:
            if isinstance(error, ClientError) and code_of(error) == _MISSING:
                raise FatalError(
                    f"there is no archive: bucket {self.bucket} does not exist. Terraform makes it "
                    "where the variable archive is true, and `workers local` on this machine"
                ) from None
            raise translate(error, "s3") from error

    def lines(self, key: str) -> Iterator[str]:
        """Read a file line by line, without its blank lines. Holds little of it in memory.

        SNS or Firehose may end an event with a line break of its own, hence the blank lines.
        Raises ``Unavailable`` if the connection breaks.
        """
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
            with gzip.open(body, "rt", encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    if text := line.removesuffix("\n"):
                        yield text
        except SDK_ERRORS as error:
            raise translate(error, "s3") from error
        except EOFError as error:
            raise Unavailable(f"s3: {key} is truncated: {error}", dependency="s3") from error


def bucket_name(name_prefix: str, account: str) -> str:
    """Name the bucket of an environment; terraform/locals.tf has the same rule."""
    return f"{name_prefix.lower().replace('_', '-')}order-pipeline-{account}-archive"


def prefix_of(day: date, event_type: str) -> str:
    """Return the start of the keys of a day and a type of event."""
    return f"{_DAYS}{day}/type={event_type}/"
