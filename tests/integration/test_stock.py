"""Operators set and list the stock."""

import boto3
import pytest

from workers.aws.dynamodb import DynamoStore
from workers.ops.stock import Stock, list_stock, set_stock
from workers.runtime.errors import Conflict

pytestmark = pytest.mark.integration


@pytest.fixture
def table(provisioned):
    return f"{provisioned.name_prefix}inventory"


@pytest.fixture
def dynamodb(table):
    assert table
    return boto3.client("dynamodb")


def test_stock_is_listed_by_sku(dynamodb, table):
    set_stock(dynamodb, table, "MOUSE-002", available=5, reorder_threshold=2)
    set_stock(dynamodb, table, "LAPTOP-001", available=3, reorder_threshold=1)
    set_stock(dynamodb, table, "MOUSE-002", available=7, reorder_threshold=2)
    assert list_stock(dynamodb, table) == [
        Stock("LAPTOP-001", available=3, reserved=0, reorder_threshold=1),
        Stock("MOUSE-002", available=7, reserved=0, reorder_threshold=2),
    ]


def test_reserved_units_stay_reserved(dynamodb, table):
    set_stock(dynamodb, table, "MOUSE-002", available=5, reorder_threshold=2)
    store = DynamoStore(dynamodb, table)
    reserving = store.begin("order-api#1")
    reserving.add("stock#MOUSE-002", {"available": -1, "reserved": 1})
    store.commit(reserving, ())
    set_stock(dynamodb, table, "MOUSE-002", available=9, reorder_threshold=2)
    assert list_stock(dynamodb, table) == [Stock("MOUSE-002", 9, 1, 2)]


def test_a_service_that_read_the_old_stock_conflicts(dynamodb, table):
    set_stock(dynamodb, table, "MOUSE-002", available=5, reorder_threshold=2)
    store = DynamoStore(dynamodb, table)
    transaction = store.begin("order-api#1")
    document = transaction.get("stock#MOUSE-002")
    transaction.put("stock#MOUSE-002", document | {"available": 4})
    set_stock(dynamodb, table, "MOUSE-002", available=9, reorder_threshold=2)
    with pytest.raises(Conflict):
        store.commit(transaction, ())
