"""Delivers the topic's messages through Firehose to S3, which moto does not.

A message costs one append when it is published. Objects are written when somebody lists a bucket,
so readers always find every message that was published before, without waiting for a buffer.
"""

import base64
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from moto.firehose.models import DeliveryStream, firehose_backends
from moto.s3.models import s3_backends
from moto.sns.models import Subscription

from local.aws.iam.service_roles import may
from local.aws.patch import Method, wrap

# One key of a partition in the query: name:.field or name:.field[0:10]. jq knows much more.
_KEY: Final = re.compile(r"\s*(\w+)\s*:\s*\.(\w+)(?:\[(\d+):(\d+)\])?\s*")
# The same, or a part of ``s3Key`` where the record is a reference to S3:
# name:(.field? // .[1].s3Key)[0:10] or name:(.field? // (.[1].s3Key|split("/")[1])).
_REFERENCE: Final = re.compile(
    r"\s*(\w+)\s*:\s*"
    r'\(\.(\w+)\? // (?:\.\[1\]\.s3Key|\(\.\[1\]\.s3Key\|split\("/"\)\[(\d)\]\))\)'
    r"(?:\[(\d+):(\d+)\])?\s*"
)
_PLACEHOLDER: Final = re.compile(r"!\{partitionKeyFromQuery:(\w+)\}")
_PARTITION: Final = "aws"


class Unpartitioned(Exception):
    """A record has no partition; the text is Firehose's error code and reason."""


_waiting: dict[Subscription, list[str]] = defaultdict(list)
_lock = Lock()


def deliver_to_firehose() -> None:
    """Deliver to subscriptions of the protocol ``firehose``.

    Raw delivery sends the body and no attributes:
    https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
    """

    @wrap(Subscription, "publish")
    def deliver(
        original: Method, subscription: Subscription, message: str, *rest: object, **named: object
    ) -> None:
        if subscription.protocol == "firehose":
            with _lock:
                _waiting[subscription].append(message)
        else:
            original(subscription, message, *rest, **named)


def flush() -> None:
    """Write an object for each partition of the messages that wait.

    Messages are lost where a role lacks a right: on AWS, SNS and Firehose give up after a while.
    """
    with _lock:
        batches = dict(_waiting)
        _waiting.clear()
    for subscription, records in batches.items():
        arn = subscription.endpoint
        if (stream := _stream(arn)) and _may_put(subscription):
            _write(stream, _account(arn), records)


def _may_put(subscription: Subscription) -> bool:
    """Return whether the subscription's role lets SNS put records into the stream.

    https://docs.aws.amazon.com/sns/latest/dg/prereqs-kinesis-data-firehose.html
    """
    if str(subscription.attributes.get("RawMessageDelivery")).lower() != "true":
        raise NotImplementedError("the embedded SNS delivers to Firehose raw only")
    role, arn = subscription.attributes.get("SubscriptionRoleArn", ""), subscription.endpoint
    actions = ("firehose:PutRecord", "firehose:PutRecordBatch")
    return all(may(role, "sns.amazonaws.com", action, arn) for action in actions)


def _stream(arn: str) -> DeliveryStream | None:
    backend = firehose_backends[_account(arn)][arn.split(":")[3]]
    stream: DeliveryStream | None = backend.delivery_streams.get(arn.rpartition("/")[2])
    return stream


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _write(stream: DeliveryStream, account: str, records: list[str]) -> None:
    config = stream.destinations[0]["ExtendedS3"]
    bucket = config["BucketARN"].rpartition(":")[2]
    s3 = s3_backends[account][_PARTITION]
    now = datetime.now(UTC)
    name = f"{stream.delivery_stream_name}-1-{now:%Y-%m-%d-%H-%M-%S}-{uuid4()}.gz"
    for prefix, lines in _partitions(config, records, now).items():
        target = f"{config['BucketARN']}/{prefix}{name}"
        writes = may(config["RoleARN"], "firehose.amazonaws.com", "s3:PutObject", target)
        if writes and bucket in s3.buckets:
            body = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
            s3.put_object(bucket, f"{prefix}{name}", body)


def _partitions(
    config: Mapping[str, Any], records: list[str], now: datetime
) -> dict[str, list[str]]:
    """Return the lines of each object, by its prefix."""
    query = _parameter(config, "MetadataExtraction", "MetadataExtractionQuery")
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        try:
            found[_prefix(config["Prefix"], partition_keys(query, record))].append(record)
        except Unpartitioned as error:
            prefix = config["ErrorOutputPrefix"].replace(
                "!{firehose:error-output-type}", "metadata-extraction-failed"
            )
            found[f"{prefix}{now:%Y/%m/%d/%H}/"].append(_failed(record, str(error), now))
    return found


def partition_keys(query: str, record: str) -> dict[str, str]:
    """Evaluate a query such as ``{day:.occurredAt[0:10],type:.eventType}``.

    Raises ``Unpartitioned`` if the record is not JSON or lacks a field, ``NotImplementedError``
    for a query beyond fields and slices.
    """
    try:
        fields = json.loads(record)
    except ValueError as error:
        raise Unpartitioned(f"DynamicPartitioning.MetadataExtractionFailed: {error}") from None
    keys = {}
    for part in query.strip().removeprefix("{").removesuffix("}").split(","):
        plain, referring = _KEY.fullmatch(part), _REFERENCE.fullmatch(part)
        if plain is not None:
            name, field, start, end = plain.groups()
            value = fields.get(field) if isinstance(fields, dict) else None
        elif referring is not None:
            name, field, position, start, end = referring.groups()
            value = _in_key(fields, field, position)
        else:
            raise NotImplementedError(f"the embedded Firehose cannot evaluate {part}")
        if not isinstance(value, str) or not value:
            raise Unpartitioned(f"DynamicPartitioning.MetadataExtractionFailed: no {field}")
        keys[name] = value[int(start) : int(end)] if start else value
    return keys


def _in_key(fields: Any, field: str, position: str | None) -> Any:
    """Return a field, or else a part of the key in a reference; None if it is neither."""
    match fields:
        case dict():
            return fields.get(field)
        case [_, {"s3Key": str() as key}, *_]:
            parts = key.split("/")
            if position is None:
                return key
            return parts[int(position)] if int(position) < len(parts) else None
        case _:
            return None


def _prefix(template: str, keys: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda name: keys[name[1]], template)


def _parameter(config: Mapping[str, Any], processor: str, name: str) -> str:
    for each in config["ProcessingConfiguration"]["Processors"]:
        if each["Type"] == processor:
            for parameter in each["Parameters"]:
                if parameter["ParameterName"] == name:
                    return str(parameter["ParameterValue"])
    raise NotImplementedError(f"the embedded Firehose needs {processor}")


def _failed(record: str, error: str, now: datetime) -> str:
    """Return the line that Firehose writes for a record that it cannot deliver.

    https://docs.aws.amazon.com/firehose/latest/dev/retry.html
    """
    code, _, message = error.partition(": ")
    at = int(now.timestamp() * 1000)
    return json.dumps(
        {
            "attemptsMade": 1,
            "arrivalTimestamp": at,
            "errorCode": code,
            "errorMessage": message,
            "attemptEndingTimestamp": at,
            "rawData": base64.b64encode(record.encode()).decode(),
        }
    )
