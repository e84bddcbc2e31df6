"""The wire and boto3's client get the same from the embedded AWS, or from LocalStack."""

from decimal import Decimal

import pytest
from botocore.exceptions import ClientError
from support.aws_calls import create_table

from workers.aws.clients import Clients
from workers.aws.items import to_item
from workers.settings import Settings

pytestmark = pytest.mark.integration

TRANSPORTS = ("boto3", "wire")
KEY = {"pk": {"S": "order#größer"}}
DOCUMENT = {
    "text": "a & b\n\U0001f600",
    "number": Decimal("-12345678901234567890.12"),
    "bytes": b"\x00\xff",
    "sets": {"a", "b"},
    "nested": {"B": [None, True, {"BS": {b"\x01"}}]},
}


@pytest.fixture(scope="module")
def transports(aws_endpoint):
    assert aws_endpoint
    return {name: Clients.connect(Settings(), threads=1, transport=name) for name in TRANSPORTS}


@pytest.fixture(scope="module")
def clients(transports):
    return {name: clients.dynamodb() for name, clients in transports.items()}


@pytest.fixture(scope="module")
def table(clients):
    name = create_table(clients["boto3"], outbox=("outboxShard", "outboxOrder"))
    yield name
    clients["boto3"].delete_table(TableName=name)


def result(client, method, **parameters):
    """Return a response, or the error with the words of the service."""
    try:
        response = getattr(client, method)(**parameters)
    except ClientError as error:
        response = error.response | {"raised": type(error).__name__, "text": str(error)}
    return {name: each for name, each in response.items() if name != "ResponseMetadata"}


@pytest.fixture
def both(clients):
    """Make the same call by both transports; return the response, which must be the same."""

    def call(method, **parameters):
        by_sdk, by_wire = (result(clients[name], method, **parameters) for name in TRANSPORTS)
        assert by_wire == by_sdk
        return by_wire

    return call


def test_a_document_is_written_and_read_the_same(both, table):
    item = KEY | to_item(DOCUMENT)

    both("put_item", TableName=table, Item=item)
    found = both("get_item", TableName=table, Key=KEY, ConsistentRead=True)["Item"]

    assert found["bytes"] == {"B": b"\x00\xff"}
    assert found["nested"] == item["nested"]
    assert both("get_item", TableName=table, Key={"pk": {"S": "none"}}) == {}
    (read,) = both(
        "batch_get_item",
        RequestItems={table: {"Keys": [KEY, {"pk": {"S": "none"}}], "ConsistentRead": True}},
    )["Responses"][table]
    assert read == found


def test_an_update_returns_the_same(both, table):
    updated = both(
        "update_item",
        TableName=table,
        Key={"pk": {"S": "counts"}},
        UpdateExpression="SET #b = :b",
        ExpressionAttributeNames={"#b": "b"},
        ExpressionAttributeValues={":b": {"BS": [b"\x01"]}},
        ReturnValues="ALL_NEW",
    )

    assert updated["Attributes"]["b"] == {"BS": [b"\x01"]}


def test_a_refused_condition_returns_the_same(both, clients, table):
    row = KEY | {"b": {"B": b"\xff"}}
    clients["boto3"].put_item(TableName=table, Item=row)
    condition = {
        "TableName": table,
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }

    refused = both("put_item", Item=KEY, **condition)
    cancelled = both("transact_write_items", TransactItems=[{"Put": condition | {"Item": KEY}}])

    assert refused["raised"] == "ConditionalCheckFailedException"
    assert cancelled["raised"] == "TransactionCanceledException"
    (reason,) = cancelled["CancellationReasons"]
    assert reason["Item"] == row


def test_a_query_returns_the_same(both, clients, table):
    for order in ("1", "2"):
        row = {"pk": {"S": order}, "outboxShard": {"S": "0"}, "outboxOrder": {"S": order}}
        clients["boto3"].put_item(TableName=table, Item=row)

    page = both(
        "query",
        TableName=table,
        IndexName="outbox",
        KeyConditionExpression="outboxShard = :shard",
        ExpressionAttributeValues={":shard": {"S": "0"}},
        Limit=1,
    )

    assert [item["pk"]["S"] for item in page["Items"]] == ["1"]
    assert page["LastEvaluatedKey"]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_item", {"TableName": "no-such-table", "Key": KEY}),
        ("update_item", {"Key": KEY, "UpdateExpression": "SET"}),
        (
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": "no-such-table", "Item": KEY}}]},
        ),
    ],
    ids=["table", "expression", "transaction"],
)
def test_a_refusal_returns_the_same(both, table, method, parameters):
    if method == "update_item":
        parameters = parameters | {"TableName": table}

    assert both(method, **parameters)["raised"]


def test_events_are_published_the_same(transports):
    arn = transports["boto3"].sns().create_topic(Name="transports")["TopicArn"]
    attributes = {"eventType": {"DataType": "String", "StringValue": "a & größer"}}
    entries = [
        {"Id": "0", "Message": "+ & <größer>", "MessageAttributes": attributes},
        {"Id": "1", "Message": ""},
    ]
    answers = []
    for name in TRANSPORTS:
        sns = transports[name].sns()
        answer = result(sns, "publish_batch", TopicArn=arn, PublishBatchRequestEntries=entries)
        for each in answer.get("Successful", []):
            assert each.pop("MessageId")
        answers.append(answer)
    transports["boto3"].sns().delete_topic(TopicArn=arn)

    assert answers[0] == answers[1]
    assert not answers[0].keys() <= {"Successful"}  # an empty message is refused


def test_a_mail_is_sent_or_refused_the_same(transports):
    transports["boto3"].ses().verify_email_identity(EmailAddress="shop@example.com")
    mail = {
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "Message": {"Subject": {"Data": "Grüße & Küsse"}, "Body": {"Text": {"Data": "one\ntwo"}}},
    }
    for sender in ("shop@example.com", "nobody@unverified.example.com"):
        by_sdk, by_wire = (
            result(transports[name].ses(), "send_email", Source=sender, **mail)
            for name in TRANSPORTS
        )
        accepted = sender == "shop@example.com"
        assert bool(by_sdk.pop("MessageId", "")) is accepted
        assert bool(by_wire.pop("MessageId", "")) is accepted
        assert by_wire == by_sdk
