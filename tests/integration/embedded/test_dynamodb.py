"""Transactions and numbers behave as on AWS."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import uuid4

import pytest
from support.aws_calls import code_of
from support.eventually import eventually

pytestmark = pytest.mark.integration


def test_acknowledged_writes_survive_failing_transactions(dynamodb, table):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "taken"}})
    keys = [f"row-{number}" for number in range(800)]
    actions = [put(table, "beside"), put(table, "taken", absent=True)]
    with failing(dynamodb, actions, threads=3), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda key: dynamodb.put_item(**put(table, key)["Put"]), keys))
    assert keys_of(dynamodb, table) == {"taken", *keys}


def test_writes_of_a_transaction_are_invisible_until_it_ends(dynamodb, table):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "taken"}})
    half = [put(table, f"half-{number}") for number in range(99)]
    with failing(dynamodb, [*half, put(table, "taken", absent=True)], threads=2):
        assert all(keys_of(dynamodb, table) == {"taken"} for _ in range(200))


def test_a_failed_transaction_changes_no_row(dynamodb, table):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "changed"}, "n": {"N": "1"}})
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "deleted"}, "n": {"N": "2"}})
    before = rows(dynamodb, table)
    actions = [
        add(table, "changed"),
        add(table, "created"),
        {"Delete": {"TableName": table, "Key": {"pk": {"S": "deleted"}}}},
        put(table, "put"),
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": {"pk": {"S": "nowhere"}},
                "ConditionExpression": "attribute_exists(pk)",
            }
        },
    ]
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(TransactItems=actions)
    codes = [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]]
    assert codes == ["None", "None", "None", "None", "ConditionalCheckFailed"]
    assert rows(dynamodb, table) == before
    dynamodb.transact_write_items(TransactItems=actions[:-1])
    assert keys_of(dynamodb, table) == {"changed", "created", "put"}


def test_a_transaction_is_as_fast_in_a_large_table(dynamodb, table):
    def quickest():
        took = []
        for _ in range(5):
            start = time.perf_counter()
            dynamodb.transact_write_items(TransactItems=[put(table, str(uuid4()))])
            took.append(time.perf_counter() - start)
        return min(took)

    empty = quickest()
    for start in range(0, 2_000, 25):
        some = [{"PutRequest": {"Item": document(f"{start}-{i}")}} for i in range(25)]
        dynamodb.batch_write_item(RequestItems={table: some})
    eventually(lambda: quickest() < 5 * empty)  # moto alone: about 40 times, always


@pytest.mark.parametrize(
    "number", [{"N": "1" * 39}, {"N": "1E+126"}, {"N": "ten"}, {"NS": ["1", "0." + "3" * 39]}]
)
def test_a_number_that_dynamodb_cannot_hold_is_refused(dynamodb, table, number):
    item = {"pk": {"S": "a"}, "deep": {"M": {"list": {"L": [number]}}}}
    assert code_of(dynamodb.put_item, TableName=table, Item=item) == "ValidationException"


@pytest.mark.parametrize("number", ["1" * 38, "0", "0.000", "-1e125", "1" + "0" * 60])
def test_a_number_of_38_digits_is_kept(dynamodb, table, number):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}, "n": {"N": number}})


@contextmanager
def failing(dynamodb, actions, *, threads):
    """Repeat a failing transaction in several threads until the end of the block."""
    over = Event()

    def fail_until_over():
        while not over.is_set():
            code = code_of(dynamodb.transact_write_items, TransactItems=actions)
            assert code == "TransactionCanceledException"

    with ThreadPoolExecutor(threads) as pool:
        loops = [pool.submit(fail_until_over) for _ in range(threads)]
        try:
            yield
        finally:
            over.set()
        for loop in loops:
            loop.result()


def put(table, key, *, absent=False):
    condition = {"ConditionExpression": "attribute_not_exists(pk)"} if absent else {}
    return {"Put": {"TableName": table, "Item": {"pk": {"S": key}}, **condition}}


def document(key):
    lines = [{"M": {"sku": {"S": "MOUSE-002"}, "quantity": {"N": "1"}}}] * 5
    return {"pk": {"S": key}, "state": {"S": "pending"}, "items": {"L": lines}}


def add(table, key):
    return {
        "Update": {
            "TableName": table,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }


def rows(dynamodb, table):
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


def keys_of(dynamodb, table):
    return set(rows(dynamodb, table))
