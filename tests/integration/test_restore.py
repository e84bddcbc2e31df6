"""A table that was restored from a point in time has what a service needs."""

import boto3
import pytest

from workers.aws.dynamodb import DynamoStore

pytestmark = pytest.mark.integration


@pytest.fixture
def dynamodb(provisioned):
    assert provisioned
    return boto3.client("dynamodb")


@pytest.fixture
def restore(dynamodb):
    """Return a function that restores a table under another name, as docs/RESTORE.md does."""

    def restored(table):
        dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        target = f"{table}-restored"
        dynamodb.restore_table_to_point_in_time(
            SourceTableName=table, TargetTableName=target, UseLatestRestorableTime=True
        )
        dynamodb.get_waiter("table_exists").wait(TableName=target, WaiterConfig={"Delay": 1})
        return target

    return restored


def test_a_message_that_was_handled_before_the_restore_changes_nothing(
    provisioned, dynamodb, restore
):
    table = f"{provisioned.name_prefix}inventory"
    handled = DynamoStore(dynamodb, table)
    first = handled.begin("order-api#1")
    first.add("stock#LAPTOP-001", {"available": 5})
    handled.commit(first, ())

    store = DynamoStore(dynamodb, restore(table))
    again = store.begin("order-api#1")
    again.add("stock#LAPTOP-001", {"available": 5})
    store.commit(again, ())

    assert store.begin("order-api#2").get("stock#LAPTOP-001")["available"] == 5


def test_the_index_of_the_outbox_is_restored(provisioned, dynamodb, restore):
    description = dynamodb.describe_table(TableName=restore(f"{provisioned.name_prefix}orders"))

    [index] = description["Table"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "outbox"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["outboxShard", "outboxOrder"]
