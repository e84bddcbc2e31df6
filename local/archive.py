"""Sets up the archive of events in the embedded AWS, as ``terraform/archive.tf`` does on AWS.

LocalStack has no archive: its Firehose cannot partition by the content of a record.
"""

import json
from typing import Any, Final

import boto3

from workers.aws.archive import ERROR_PREFIX, PREFIX, QUERY, bucket_name

_STREAM: Final = "archive"
_MIB: Final = 64  # the least with dynamic partitioning
_SECONDS: Final = 300


def ensure_archive(topic_arn: str, name_prefix: str) -> str:
    """Let the topic deliver every event to a new bucket; return the bucket's name."""
    region, account = topic_arn.split(":")[3:5]
    session = boto3.Session(region_name=region)
    bucket = bucket_name(name_prefix, account)
    session.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}
    )
    name = f"{name_prefix}{_STREAM}"
    stream = f"arn:aws:firehose:{region}:{account}:deliverystream/{name}"
    writer = _role(
        session, f"{name}-writer", "firehose", ["s3:PutObject"], f"arn:aws:s3:::{bucket}/*"
    )
    session.client("firehose").create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="DirectPut",
        ExtendedS3DestinationConfiguration=_destination(bucket, writer),
    )
    actions = ["firehose:PutRecord", "firehose:PutRecordBatch"]
    session.client("sns").subscribe(
        TopicArn=topic_arn,
        Protocol="firehose",
        Endpoint=stream,
        Attributes={
            "RawMessageDelivery": "true",
            "SubscriptionRoleArn": _role(session, f"{name}-topic", "sns", actions, stream),
        },
    )
    return bucket


def _destination(bucket: str, role: str) -> Any:
    return {
        "BucketARN": f"arn:aws:s3:::{bucket}",
        "BufferingHints": {"IntervalInSeconds": _SECONDS, "SizeInMBs": _MIB},
        "CompressionFormat": "GZIP",
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ErrorOutputPrefix": ERROR_PREFIX,
        "Prefix": PREFIX,
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [
                _processor(
                    "MetadataExtraction",
                    JsonParsingEngine="JQ-1.6",
                    MetadataExtractionQuery=QUERY,
                ),
                _processor("AppendDelimiterToRecord", Delimiter="\\n"),
            ],
        },
        "RoleARN": role,
    }


def _processor(kind: str, **parameters: str) -> Any:
    named = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"Type": kind, "Parameters": named}


def _role(session: Any, name: str, service: str, actions: list[str], resource: str) -> str:
    iam = session.client("iam")
    principal = {"Service": f"{service}.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": actions, "Resource": resource}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_document(trust)))
    iam.put_role_policy(
        RoleName=name, PolicyName="use", PolicyDocument=json.dumps(_document(rights))
    )
    return str(role["Role"]["Arn"])


def _document(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}
