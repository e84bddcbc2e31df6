"""Calls to the embedded AWS, as any program makes them."""

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from workers.provision.policies import queue_policy

CONFIG = Config(max_pool_connections=20, read_timeout=30, retries={"total_max_attempts": 1})


def client(name):
    return boto3.Session().client(name, config=CONFIG)


def code_of(call, *args, **named):
    """Give the error code of a call that has to be refused."""
    with pytest.raises(ClientError) as refused:
        call(*args, **named)
    return refused.value.response["Error"]["Code"].rpartition(".")[2]


def bodies(sqs, queue, **named):
    """Receive up to ten messages; give their bodies."""
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
