"""Clients of the embedded AWS, and a queue and a table of one's own."""

import os
from uuid import uuid4

import pytest
from support.aws_calls import client

if "LOCALSTACK" in os.environ:  # what is no behaviour of AWS
    collect_ignore = [
        "test_access.py",
        "test_corrections.py",
        "test_faults.py",
        "test_mails.py",
        "test_server.py",
    ]


@pytest.fixture
def sqs(aws):
    assert aws.url
    return client("sqs")


@pytest.fixture
def sns(aws):
    assert aws.url
    return client("sns")


@pytest.fixture
def dynamodb(aws):
    assert aws.url
    return client("dynamodb")


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName=f"q-{uuid4()}")["QueueUrl"]


@pytest.fixture
def table(dynamodb):
    name = f"t-{uuid4()}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
