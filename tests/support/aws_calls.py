"""Calls to the embedded AWS with the plain SDK."""

import json
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from workers.provision.policies import queue_policy

CONFIG = Config(max_pool_connections=20, read_timeout=30, retries={"total_max_attempts": 1})


def client(name):
    return boto3.Session().client(name, config=CONFIG)


def create_table(dynamodb, **indexes):
    """Create a table with an index per keyword, by its key attributes; return the table's name."""
    name = f"table-{uuid4()}"
    attributes = sorted({"pk"}.union(*indexes.values()))
    schema = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": a, "AttributeType": "S"} for a in attributes],
        "KeySchema": _key("pk"),
    }
    if indexes:
        schema["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": _key(*key), "Projection": {"ProjectionType": "ALL"}}
            for index, key in indexes.items()
        ]
    dynamodb.create_table(**schema)
    return name


def _key(*attributes):
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": a, "KeyType": k} for a, k in zip(attributes, kinds, strict=False)]


def code_of(call, *args, **named):
    """Return the error code of a call that must be refused."""
    with pytest.raises(ClientError) as refused:
        call(*args, **named)
    return refused.value.response["Error"]["Code"].rpartition(".")[2]


def bodies(sqs, queue, **named):
    """Receive up to ten messages; return their bodies."""
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, **named)
    return [message["Body"] for message in found.get("Messages", [])]


def entries(*texts):
    return [{"Id": str(position), "MessageBody": text} for position, text in enumerate(texts)]


def attributes(count):
    return {f"a{i}": {"DataType": "String", "StringValue": "v"} for i in range(count)}


def subscribe(sqs, sns, topic, queue):
    """Subscribe a queue to a topic, raw, and let the queue admit it."""
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = arn["Attributes"]["QueueArn"]
    policy = json.dumps(queue_policy(arn, topic))
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
