"""Provisions tables and the sender address of mails."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from workers.runtime.payloads import EXPIRY_DAYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ses import SESClient

_TTL: Final = "expires"
_OUTBOX: Final[Any] = {
    "IndexName": "outbox",
    "KeySchema": [
        {"AttributeName": "outboxShard", "KeyType": "HASH"},
        {"AttributeName": "outboxOrder", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "ALL"},
}
_POLL_INTERVAL: Final = 1  # s
_TRIES: Final = 60


def ensure_table(
    dynamodb: "DynamoDBClient", name: str, *, outbox: bool, changed: Callable[[str], None]
) -> None:
    """Create a table with the key ``pk``, or add a missing outbox index or time to live."""
    try:
        table = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=_attributes(outbox=outbox),
            BillingMode="PAY_PER_REQUEST",
            **_indexes(outbox=outbox),
        )
        changed(f"created table {name}")
    else:
        indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
        if outbox and _OUTBOX["IndexName"] not in indexes:
            dynamodb.update_table(
                TableName=name,
                AttributeDefinitions=_attributes(outbox=True),
                GlobalSecondaryIndexUpdates=[{"Create": _OUTBOX}],
            )
            changed(f"created the outbox index of table {name}")
    dynamodb.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": _POLL_INTERVAL, "MaxAttempts": _TRIES}
    )
    _ensure_ttl(dynamodb, name, changed)


def ensure_identity(ses: "SESClient", address: str, changed: Callable[[str], None]) -> None:
    """Create the identity of the sender address."""
    if (
        address not in ses.list_identities()["Identities"]
    ):  # an emulator has few, so one page is enough
        ses.verify_email_identity(EmailAddress=address)
        changed(f"created mail identity {address}")


def ensure_payloads(s3: Any, name: str, changed: Callable[[str], None]) -> None:
    """Create the bucket of large events, and let its objects expire."""
    if name not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        region = s3.meta.region_name
        # S3 refuses the name of its first region here.
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
        changed(f"created bucket {name}")
    rule = {
        "ID": "expire",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": EXPIRY_DAYS},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})


def _indexes(*, outbox: bool) -> dict[str, Any]:
    return {"GlobalSecondaryIndexes": [_OUTBOX]} if outbox else {}


def _attributes(*, outbox: bool) -> list[Any]:
    names = ["pk", *(key["AttributeName"] for key in _OUTBOX["KeySchema"] if outbox)]
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _ensure_ttl(dynamodb: "DynamoDBClient", name: str, changed: Callable[[str], None]) -> None:
    found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    off = found["TimeToLiveStatus"] in {"DISABLED", "DISABLING"}  # may still name the attribute
    if off or found.get("AttributeName") != _TTL:
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": _TTL}
        )
        changed(f"set the time to live of table {name}")
