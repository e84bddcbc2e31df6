"""The embedded SNS and Firehose deliver as their roles allow."""

import json
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from support.builders import encoded
from support.eventually import eventually

from local.archive import ensure_archive
from local.aws.services.firehose import Unpartitioned, partition_keys

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=f"topic-{uuid4().hex[:8]}")["TopicArn"]


@pytest.fixture
def prefix():
    return f"f{uuid4().hex[:8]}-"


def files(bucket):
    return boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])


def test_what_is_published_is_in_the_bucket_at_the_next_listing(sns, topic, prefix):
    bucket = ensure_archive(topic, prefix)
    sns.publish(TopicArn=topic, Message=encoded().body)
    assert len(files(bucket)) == 1
    sns.publish(TopicArn=topic, Message=encoded().body)
    assert len(files(bucket)) == 2
    assert len(files(bucket)) == 2


@pytest.mark.parametrize(("role", "right"), [("topic", "firehose:PutRecord"), ("writer", "s3:Get")])
def test_without_the_right_nothing_arrives(sns, topic, prefix, role, right):
    bucket = ensure_archive(topic, prefix)
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": right, "Resource": "*"}],
    }
    boto3.client("iam").put_role_policy(
        RoleName=f"{prefix}archive-{role}", PolicyName="use", PolicyDocument=json.dumps(document)
    )
    sns.publish(TopicArn=topic, Message=encoded().body)
    assert files(bucket) == []


def test_a_role_that_trusts_another_service_delivers_nothing(sns, topic, prefix):
    bucket = ensure_archive(topic, prefix)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    boto3.client("iam").update_assume_role_policy(
        RoleName=f"{prefix}archive-topic", PolicyDocument=json.dumps(trust)
    )
    sns.publish(TopicArn=topic, Message=encoded().body)
    assert files(bucket) == []


def test_the_query_reads_fields_and_parts_of_them():
    keys = partition_keys("{day:.at[0:10], kind: .type}", '{"at": "2026-01-02T12", "type": "a.b"}')
    assert keys == {"day": "2026-01-02", "kind": "a.b"}


@pytest.mark.parametrize("record", ["no JSON", "[]", "{}", '{"at": 1}', '{"at": ""}'])
def test_a_record_without_the_field_has_no_partition(record):
    with pytest.raises(Unpartitioned, match="MetadataExtractionFailed"):
        partition_keys("{day:.at[0:10]}", record)


def test_a_query_that_the_embedded_firehose_cannot_evaluate_is_refused():
    with pytest.raises(NotImplementedError, match="strftime"):
        partition_keys('{day:.at|strftime("%Y")}', '{"at": "2026"}')


def test_other_subscribers_get_their_copy(sns, sqs, topic, prefix, queue):
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = {
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}]
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    bucket = ensure_archive(topic, prefix)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    sns.publish(TopicArn=topic, Message=encoded().body)

    eventually(lambda: "Messages" in sqs.receive_message(QueueUrl=queue))
    assert len(files(bucket)) == 1


def test_a_bucket_that_denies_plaintext_can_be_read_and_emptied(sns, topic, prefix):
    bucket = ensure_archive(topic, prefix)
    sns.publish(TopicArn=topic, Message=encoded().body)
    s3 = boto3.client("s3")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    [file] = files(bucket)

    assert s3.get_object(Bucket=bucket, Key=file["Key"])["Body"].read()
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": file["Key"]}]})
    assert "Errors" not in deleted
    assert files(bucket) == []

    del deny["Condition"]
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    with pytest.raises(ClientError, match="403"):
        s3.get_object(Bucket=bucket, Key=file["Key"])


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"BufferingHints": {"SizeInMBs": 16, "IntervalInSeconds": 60}}, "at least 64"),
        ({"BufferingHints": None}, "at least 64"),
        ({"ErrorOutputPrefix": None}, "ErrorOutputPrefix"),
    ],
)
def test_firehose_refuses_partitions_without_enough_buffer_or_a_place_for_errors(
    aws, prefix, changes, refusal
):
    assert aws.url
    config = {
        "RoleARN": "arn:aws:iam::123456789012:role/writer",
        "BucketARN": "arn:aws:s3:::bucket",
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ErrorOutputPrefix": "errors/",
    } | changes
    with pytest.raises(ClientError, match=refusal):
        boto3.client("firehose").create_delivery_stream(
            DeliveryStreamName=f"{prefix}stream",
            ExtendedS3DestinationConfiguration={n: v for n, v in config.items() if v is not None},
        )
