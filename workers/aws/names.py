"""Finds queues, topic and tables: from the settings, or by name."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from workers.aws.codes import GONE
from workers.aws.credentials import guarded_session
from workers.aws.errors import SDK_ERRORS, code_of, translate, translated
from workers.runtime.errors import FatalError
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# For a question whose answer only completes an error message.
_SOON: Final = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})


def queue_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of a service's queue. Raises ``FatalError`` if it does not exist."""
    return settings.queue_url or _queue_url(
        sqs, settings, Topology.load().queue_name(service), "QUEUE_URL"
    )


def dlq_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of a service's dead-letter queue. Raises ``FatalError`` if it is missing."""
    return settings.dlq_url or _queue_url(
        sqs, settings, Topology.load().dlq_name(service), "DLQ_URL"
    )


def undelivered_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of the queue of events that SNS could not deliver to a service.

    Only Terraform creates it. Raises ``FatalError`` if it does not exist.
    """
    return settings.dlq_url or _queue_url(
        sqs, settings, Topology.load().undelivered_name(service), "DLQ_URL"
    )


def topic_arn(sns: "SNSClient", settings: Settings, topic: str) -> str:
    """Return the ARN of a topic, found by listing all topics.

    Raises ``FatalError`` if it does not exist.
    """
    if settings.topic_arn:
        return settings.topic_arn
    name = settings.name_prefix + topic
    with translated("sns"):
        for page in sns.get_paginator("list_topics").paginate():
            for found in page["Topics"]:
                if found["TopicArn"].endswith(f":{name}"):
                    return found["TopicArn"]
    raise _missing(sns, settings, f"topic {name}", "TOPIC_ARN")


def table_name(dynamodb: "DynamoDBClient", settings: Settings, table: str) -> str:
    """Return the name of a service's table. Raises ``FatalError`` if it does not exist."""
    if settings.table_name:
        return settings.table_name
    name = settings.table(table)
    try:
        dynamodb.describe_table(TableName=name)
    except SDK_ERRORS as error:
        raise _lookup_error(
            error, "dynamodb", lambda: _missing(dynamodb, settings, f"table {name}", "TABLE_NAME")
        ) from error
    return name


def place_of(error: BaseException, settings: Settings) -> str:
    """Say where a resource was looked for, if ``error`` comes from one that does not exist."""
    cause = error.__cause__
    if not isinstance(cause, ClientError) or code_of(cause) not in GONE:
        return ""
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or "AWS"
    return _place(settings.aws_region, endpoint, settings.name_prefix)


def account_of(region: str) -> str:
    """Return the account that the credentials of this process belong to, or "unknown"."""
    with suppress(*SDK_ERRORS):
        sts = guarded_session(region).client("sts", config=_SOON)
        account: str = sts.get_caller_identity()["Account"]
        return account
    return "unknown"


def _queue_url(sqs: "SQSClient", settings: Settings, name: str, setting: str) -> str:
    name = settings.name_prefix + name
    try:
        return sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except SDK_ERRORS as error:
        raise _lookup_error(
            error, "sqs", lambda: _missing(sqs, settings, f"queue {name}", setting)
        ) from error


def _lookup_error(
    error: Exception, dependency: str, missing: Callable[[], FatalError]
) -> Exception:
    if isinstance(error, ClientError) and code_of(error) in GONE:
        return missing()
    return translate(error, dependency)


def _missing(client: BaseClient, settings: Settings, what: str, setting: str) -> FatalError:
    """Say where it was looked for: usually the place is wrong, not the name."""
    place = _place(client.meta.region_name, client.meta.endpoint_url, settings.name_prefix)
    return FatalError(
        f"{what} does not exist in {place}; "
        f"check AWS_PROFILE, AWS_REGION and NAME_PREFIX, create it, or set {setting}"
    )


def _place(region: str, endpoint: str, prefix: str) -> str:
    return f"account {account_of(region)}, region {region}, at {endpoint} (NAME_PREFIX {prefix!r})"
