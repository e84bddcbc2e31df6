"""The units that the stand-in of DynamoDB counts, and what it refuses."""

import pytest

from bench.standin.dynamodb.actions import DynamoDb
from bench.standin.dynamodb.conditions import condition
from bench.standin.refusals import Refused


def row(pk, **texts):
    return {"pk": {"S": pk}, **{name: {"S": text} for name, text in texts.items()}}


@pytest.fixture
def db():
    made = DynamoDb()
    made.create("t", outbox=("outboxShard", "outboxOrder"))
    return made


def put(pk, **more):
    return {"Put": {"TableName": "t", "Item": row(pk), **more}}


@pytest.mark.parametrize(
    ("size", "plain", "transactional"), [(1, 1, 2), (1000, 1, 2), (1100, 2, 4), (2100, 3, 6)]
)
def test_a_write_costs_a_unit_per_kilobyte_and_two_in_a_transaction(db, size, plain, transactional):
    item = row("a", text="x" * size)
    db.act("PutItem", {"TableName": "t", "Item": item})
    assert db.units["write units"] == plain

    db.clear_figures()
    db.act("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": item}}]})
    assert db.units["write units"] == transactional


def test_a_row_of_an_index_costs_a_unit_more_when_it_enters_and_when_it_leaves(db):
    item = row("a", outboxShard="0", outboxOrder="1")
    db.act("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": item}}]})
    assert db.units["write units"] == 2 + 1

    leaving = {"TableName": "t", "Key": row("a"), "UpdateExpression": "REMOVE outboxShard"}
    db.act("UpdateItem", leaving)
    assert db.units["write units"] == 2 + 1 + 1 + 1
    assert db.tables["t"].indexes["outbox"].ordered("0") == []


@pytest.mark.parametrize(("consistent", "units"), [(True, 2), (False, 1)])
def test_a_read_costs_a_unit_per_four_kilobytes_and_half_if_it_may_be_old(db, consistent, units):
    db.act("PutItem", {"TableName": "t", "Item": row("a", text="x" * 5000)})
    db.act("GetItem", {"TableName": "t", "Key": row("a"), "ConsistentRead": consistent})

    assert db.units["read units"] == units


def test_a_cancelled_transaction_writes_nothing_names_each_reason_and_costs_as_much(db):
    db.act("PutItem", {"TableName": "t", "Item": row("b")})
    db.clear_figures()
    absent = {"ConditionExpression": "attribute_not_exists(pk)"}
    with pytest.raises(Refused) as refused:
        db.act("TransactWriteItems", {"TransactItems": [put("a", **absent), put("b", **absent)]})

    codes = [reason["Code"] for reason in refused.value.fields["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"]
    assert "a" not in db.tables["t"].items
    assert db.units["write units"] == 4


def test_a_transaction_holds_its_items_while_its_answer_takes(db):
    now = 0.0
    db.holds.seconds, db.holds.clock = 0.015, lambda: now
    db.act("TransactWriteItems", {"TransactItems": [put("a")]})
    with pytest.raises(Refused) as refused:
        db.act("TransactWriteItems", {"TransactItems": [put("b"), put("a")]})
    codes = [reason["Code"] for reason in refused.value.fields["CancellationReasons"]]
    assert codes == ["None", "TransactionConflict"]
    with pytest.raises(Refused, match="TransactionConflictException"):
        db.act("PutItem", put("a")["Put"])

    now = 0.016
    db.act("TransactWriteItems", {"TransactItems": [put("b"), put("a")]})


@pytest.mark.parametrize("writes", [0, 101])
def test_a_transaction_has_one_to_a_hundred_writes(db, writes):
    with pytest.raises(Refused, match="ValidationException"):
        db.act("TransactWriteItems", {"TransactItems": [put(str(n)) for n in range(writes)]})


def test_a_transaction_writes_an_item_once(db):
    with pytest.raises(Refused, match="ValidationException"):
        db.act("TransactWriteItems", {"TransactItems": [put("a"), put("a")]})


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("n = :one", True),
        ("n <> :one", False),
        ("n > :one OR n BETWEEN :one AND :two", True),
        ("NOT (n >= :one AND attribute_exists(gone))", True),
        ("gone < :one", False),
        ("n IN (:two, :one)", True),
        ("n IN (:two)", False),
        ("size(tags) < :two", False),
        ("contains(tags, :a) AND begins_with(pk, :o)", True),
        ("s < :one", False),
    ],
)
def test_conditions(text, holds):
    item = row("order", s="1") | {"n": {"N": "1.0"}, "tags": {"SS": ["a", "b"]}}
    values = {":one": {"N": "1"}, ":two": {"N": "2"}, ":a": {"S": "a"}, ":o": {"S": "o"}}

    assert condition(text)(item, {}, values) is holds


@pytest.mark.parametrize("text", ["a.b = :x", "a", "a = ", "(a = :x", "a = :x b", "f(a)"])
def test_an_expression_that_the_standin_does_not_know_is_refused(text):
    with pytest.raises(Refused, match="ValidationException"):
        condition(text)
