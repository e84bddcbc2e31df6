"""Clients of the embedded AWS, and a new queue and table for each test."""

import os
from uuid import uuid4

import pytest
from support.aws_calls import client, create_table

if "LOCALSTACK" in os.environ:  # these test the embedded AWS, not the behaviour of AWS
    collect_ignore = [
        "test_access.py",
        "test_conformance.py",
        "test_corrections.py",
        "test_faults.py",
        "test_firehose.py",
        "test_mails.py",
        "test_move_tasks.py",
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
    return create_table(dynamodb)
