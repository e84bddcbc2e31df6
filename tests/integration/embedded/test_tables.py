"""Tables and indexes are read as on AWS."""

import pytest
from support.aws_calls import code_of, create_table
from support.eventually import eventually

pytestmark = pytest.mark.integration

LINE = "x" * 2_000


@pytest.fixture
def indexed(dynamodb):
    """Create a table with an index by ``lane``, sorted by ``turn``."""
    return create_table(dynamodb, lanes=("lane", "turn"))


def put(dynamodb, table, key, **attributes):
    item = {"pk": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}
    dynamodb.put_item(TableName=table, Item=item)


def in_lane(dynamodb, table, lane, **more):
    found = dynamodb.query(
        TableName=table,
        IndexName="lanes",
        KeyConditionExpression="lane = :lane",
        ExpressionAttributeValues={":lane": {"S": lane}},
        **more,
    )
    return [item["pk"]["S"] for item in found["Items"]]


def test_an_index_has_the_rows_with_its_keys_in_its_order(dynamodb, indexed):
    for number in (3, 1, 2):
        put(dynamodb, indexed, f"row-{number}", lane="a", turn=str(number))
    put(dynamodb, indexed, "no-number", lane="a")
    put(dynamodb, indexed, "other", lane="b", turn="1")
    put(dynamodb, indexed, "neither")
    eventually(lambda: in_lane(dynamodb, indexed, "a") == ["row-1", "row-2", "row-3"])
    assert in_lane(dynamodb, indexed, "a", Limit=2, ScanIndexForward=False) == ["row-3", "row-2"]
    pages = dynamodb.get_paginator("scan").paginate(TableName=indexed, IndexName="lanes")
    assert sum(len(page["Items"]) for page in pages) == 4


def test_an_index_follows_updates_and_deletes(dynamodb, indexed):
    for key in ("moved", "left", "deleted", "replaced"):
        put(dynamodb, indexed, key, lane="a", turn="1")
    eventually(lambda: len(in_lane(dynamodb, indexed, "a")) == 4)
    changes = {"moved": "SET lane = :b", "left": "REMOVE lane"}
    for key, change in changes.items():
        values = {"ExpressionAttributeValues": {":b": {"S": "b"}}} if ":b" in change else {}
        dynamodb.update_item(
            TableName=indexed, Key={"pk": {"S": key}}, UpdateExpression=change, **values
        )
    dynamodb.delete_item(TableName=indexed, Key={"pk": {"S": "deleted"}})
    put(dynamodb, indexed, "replaced", lane="c", turn="1")
    eventually(lambda: in_lane(dynamodb, indexed, "a") == [])
    assert in_lane(dynamodb, indexed, "b") == ["moved"]
    assert in_lane(dynamodb, indexed, "c") == ["replaced"]


def test_an_index_does_not_show_a_failed_transaction(dynamodb, indexed):
    put(dynamodb, indexed, "there", lane="a", turn="1")
    eventually(lambda: in_lane(dynamodb, indexed, "a") == ["there"])
    update = {
        "TableName": indexed,
        "Key": {"pk": {"S": "there"}},
        "UpdateExpression": "SET lane = :b",
        "ExpressionAttributeValues": {":b": {"S": "b"}},
    }
    new = {"pk": {"S": "new"}, "lane": {"S": "a"}, "turn": {"S": "2"}}
    taken = {"pk": {"S": "taken"}}
    dynamodb.put_item(TableName=indexed, Item=taken)
    absent = {"ConditionExpression": "attribute_not_exists(pk)"}
    actions = [
        {"Update": update},
        {"Put": {"TableName": indexed, "Item": new}},
        {"Put": {"TableName": indexed, "Item": taken, **absent}},
    ]
    code = code_of(dynamodb.transact_write_items, TransactItems=actions)
    assert code == "TransactionCanceledException"
    assert (in_lane(dynamodb, indexed, "a"), in_lane(dynamodb, indexed, "b")) == (["there"], [])


def test_pages_of_a_scan_have_every_row_once_despite_deletes(dynamodb, table):
    keys = {f"row-{number:04}" for number in range(1_200)}
    for key in keys:
        put(dynamodb, table, key, line=LINE)
    seen, pages, start = [], 0, {}
    while True:
        page = dynamodb.scan(TableName=table, ConsistentRead=True, **start)
        seen += [item["pk"]["S"] for item in page["Items"]]
        pages += 1
        if "LastEvaluatedKey" not in page:
            break
        dynamodb.delete_item(TableName=table, Key=page["LastEvaluatedKey"])
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert (pages > 2, len(seen), set(seen)) == (True, len(keys), keys)  # a page ends at 1 MB


def test_every_type_of_value_is_returned_as_it_was_put(dynamodb, table):
    item = {
        "pk": {"S": "a"},
        "turn": {"N": "12.50"},
        "bytes": {"B": b"\x00\xff"},
        "nothing": {"NULL": True},
        "no": {"BOOL": False},
        "sets": {"L": [{"SS": ["x"]}, {"NS": ["1"]}, {"BS": [b"\x01"]}]},
        "map": {"M": {"empty": {"M": {}}, "list": {"L": []}, "bytes": {"B": b"\x02"}}},
    }
    dynamodb.put_item(TableName=table, Item=item)
    key = {"TableName": table, "Key": {"pk": {"S": "a"}}}
    assert dynamodb.get_item(**key)["Item"] == item
    assert dynamodb.scan(TableName=table)["Items"] == [item]
    some = dynamodb.get_item(
        **key,
        ProjectionExpression="pk, #bytes, absent, #map.#list",
        ExpressionAttributeNames={"#bytes": "bytes", "#map": "map", "#list": "list"},
    )["Item"]
    assert some == {"pk": item["pk"], "bytes": item["bytes"], "map": {"M": {"list": {"L": []}}}}


def test_a_later_write_does_not_change_an_item_already_read(dynamodb, table):
    put(dynamodb, table, "a", state="old")
    change = {
        "TableName": table,
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "SET #state = :new",
        "ConditionExpression": "#state = :old",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":new": {"S": "new"}, ":old": {"S": "old"}},
    }
    before = dynamodb.update_item(**change, ReturnValues="ALL_OLD")["Attributes"]
    assert before == {"pk": {"S": "a"}, "state": {"S": "old"}}
    assert code_of(dynamodb.update_item, **change) == "ConditionalCheckFailedException"
    # The same expressions with other values must not be taken from a cache.
    change["ExpressionAttributeValues"] = {":new": {"S": "newer"}, ":old": {"S": "new"}}
    after = dynamodb.update_item(**change, ReturnValues="ALL_NEW")["Attributes"]
    assert after == {"pk": {"S": "a"}, "state": {"S": "newer"}}


def test_an_item_of_over_400_kb_is_refused(dynamodb, table):
    item = {"pk": {"S": "a"}, "one": {"S": "x" * 300_000}, "two": {"S": "x" * 150_000}}
    assert code_of(dynamodb.put_item, TableName=table, Item=item) == "ValidationException"
