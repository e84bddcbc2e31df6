"""Finds queues, topic and tables: from the settings, or by name."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workers.aws.codes import GONE
from workers.aws.errors import SDK_ERRORS, code_of, translate, translated
from workers.runtime.errors import FatalError
from workers.settings import Settings
from workers.topology import dlq_name, queue_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


def queue_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of a service's queue. Raises ``FatalError`` if it does not exist."""
    return settings.queue_url or _queue_url(
        sqs, settings.name_prefix + queue_name(service), "QUEUE_URL"
    )


def dlq_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of a service's dead-letter queue. Raises ``FatalError`` if it is missing."""
    return settings.dlq_url or _queue_url(sqs, settings.name_prefix + dlq_name(service), "DLQ_URL")


def undelivered_url(sqs: "SQSClient", settings: Settings, service: str) -> str:
    """Return the URL of the queue of events that SNS could not deliver to a service.

    Only Terraform creates it. Raises ``FatalError`` if it does not exist.
    """
    name = f"{settings.name_prefix}{queue_name(service)}-undelivered"
    return settings.dlq_url or _queue_url(sqs, name, "DLQ_URL")


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
    raise _missing("topic", name, "TOPIC_ARN")


def table_name(dynamodb: "DynamoDBClient", settings: Settings, table: str) -> str:
    """Return the name of a service's table. Raises ``FatalError`` if it does not exist."""
    if settings.table_name:
        return settings.table_name
    name = settings.name_prefix + table
    try:
        dynamodb.describe_table(TableName=name)
    except SDK_ERRORS as error:
        raise _lookup_error(error, "dynamodb", _missing("table", name, "TABLE_NAME")) from error
    return name


def _queue_url(sqs: "SQSClient", name: str, setting: str) -> str:
    try:
        return sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except SDK_ERRORS as error:
        raise _lookup_error(error, "sqs", _missing("queue", name, setting)) from error


def _lookup_error(error: Exception, dependency: str, missing: FatalError) -> Exception:
    if isinstance(error, ClientError) and code_of(error) in GONE:
        return missing
    return translate(error, dependency)


def _missing(kind: str, name: str, setting: str) -> FatalError:
    return FatalError(f"{kind} {name} does not exist; create it or set {setting}")
