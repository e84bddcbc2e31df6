"""Requests to the embedded AWS fail as the rules say."""

import socket
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from support.aws_calls import bodies, client, code_of, create_table, entries, subscribe

from local.aws.faults.rules import Rule

pytestmark = pytest.mark.integration

ITEM = {"pk": {"S": "order#1"}}


@pytest.fixture
def faulty(aws):
    """Return the embedded AWS; remove all rules after the test."""
    yield aws
    aws.heal()


def put(table, pk="order#1"):
    return {"Put": {"TableName": table, "Item": {"pk": {"S": pk}}}}


def exists(dynamodb, table):
    return "Item" in dynamodb.get_item(TableName=table, Key=ITEM, ConsistentRead=True)


def test_a_request_is_dropped_before_anything_is_done(faulty, dynamodb, table):
    faulty.inject([Rule(operation="dynamodb.PutItem", mode="drop_before", match=table)])

    with pytest.raises(ConnectionClosedError):
        dynamodb.put_item(TableName=table, Item=ITEM)

    assert not exists(dynamodb, table)


def test_a_dropped_connection_is_closed_without_a_byte(faulty):
    faulty.inject([Rule(operation="*", mode="drop_before")])
    host, port = faulty.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: sqs\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n"
            b"Authorization: AWS4-HMAC-SHA256 "
            b"Credential=me/20261121/eu-west-1/sqs/aws4_request\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )

        assert connection.recv(1) == b""


def test_a_transaction_is_committed_and_its_response_lost(faulty, dynamodb, table):
    rule = {"operation": "dynamodb.TransactWriteItems", "mode": "drop_after", "match": table}
    faulty.inject([rule | {"count": 1}])

    with pytest.raises(ConnectionClosedError):
        dynamodb.transact_write_items(TransactItems=[put(table)])

    assert exists(dynamodb, table)
    assert faulty.faults()["fired"] == {"drop_after": 1}


def test_the_sdk_repeats_a_request_whose_connection_was_dropped(faulty, table):
    faulty.inject([Rule(operation="dynamodb.PutItem", mode="drop_after", match=table, count=1)])
    patient = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 3}))

    patient.put_item(TableName=table, Item=ITEM)

    [rule] = faulty.faults()["rules"]
    assert (rule["seen"], rule["fired"]) == (2, 1)


def test_a_lost_response_to_a_receive_hides_the_message(faulty, sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    faulty.inject([Rule(operation="sqs.ReceiveMessage", mode="drop_after", match=queue, count=1)])

    with pytest.raises(ConnectionClosedError):
        bodies(sqs, queue, VisibilityTimeout=600)

    assert bodies(sqs, queue) == []


def test_a_lost_response_to_a_receive_counts_as_a_receive(faulty, sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    faulty.inject([Rule(operation="sqs.ReceiveMessage", mode="drop_after", match=queue, count=1)])

    with pytest.raises(ConnectionClosedError):
        bodies(sqs, queue, VisibilityTimeout=0)

    [again] = sqs.receive_message(
        QueueUrl=queue, WaitTimeSeconds=5, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


CALLS = {
    "dynamodb": lambda: client("dynamodb").get_item(TableName="none", Key=ITEM),
    "ses": lambda: client("ses").list_identities(),
    "sns": lambda: client("sns").publish(TopicArn="arn:aws:sns:eu-west-1:1:none", Message="m"),
    "sqs": lambda: client("sqs").list_queues(),
}


@pytest.mark.parametrize(
    ("service", "mode", "status", "code"),
    [
        ("dynamodb", "throttle", 400, "ProvisionedThroughputExceededException"),
        ("dynamodb", "error", 500, "InternalServerError"),
        ("dynamodb", "expired", 400, "ExpiredTokenException"),
        ("ses", "throttle", 400, "Throttling"),
        ("ses", "error", 500, "InternalFailure"),
        ("ses", "expired", 403, "ExpiredToken"),
        ("sns", "throttle", 400, "Throttling"),
        ("sns", "error", 500, "InternalError"),
        ("sns", "expired", 403, "ExpiredToken"),
        ("sqs", "throttle", 403, "RequestThrottled"),
        ("sqs", "error", 500, "InternalFailure"),
        ("sqs", "expired", 403, "ExpiredToken"),
    ],
)
def test_a_service_fails_in_its_own_words(faulty, service, mode, status, code):
    faulty.inject([Rule(operation=f"{service}.*", mode=mode)])

    with pytest.raises(ClientError) as failure:
        CALLS[service]()

    assert failure.value.response["Error"]["Code"] == code
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert failure.value.response["Error"]["Message"]


def test_a_throttled_operation_raises_an_exception_of_the_sdks_model(faulty, dynamodb, sqs, table):
    faulty.inject([Rule(operation="*", mode="throttle")])

    with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException):
        dynamodb.put_item(TableName=table, Item=ITEM)
    with pytest.raises(sqs.exceptions.RequestThrottled):
        sqs.list_queues()


def test_a_delayed_request_takes_effect(faulty, dynamodb, table):
    faulty.inject([Rule(operation="dynamodb.PutItem", mode="delay", match=table, seconds=0.3)])
    started = time.monotonic()

    dynamodb.put_item(TableName=table, Item=ITEM)

    assert time.monotonic() - started >= 0.3
    assert exists(dynamodb, table)


def test_a_transaction_conflicts_with_another(faulty, dynamodb, table):
    faulty.inject(
        [Rule(operation="dynamodb.TransactWriteItems", mode="conflict", match=table, count=1)]
    )

    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(TransactItems=[put(table), put(table, "order#2")])

    reasons = [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]]
    assert sorted(reasons) == ["None", "TransactionConflict"]
    assert not exists(dynamodb, table)


def test_a_write_conflicts_with_a_transaction(faulty, dynamodb, table):
    faulty.inject([Rule(operation="dynamodb.*", mode="conflict", match=table)])

    with pytest.raises(dynamodb.exceptions.TransactionConflictException):
        dynamodb.put_item(TableName=table, Item=ITEM)


def test_a_received_message_can_be_received_again_at_once(faulty, sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    faulty.inject([Rule(operation="sqs.ReceiveMessage", mode="duplicate", match=queue, count=1)])

    [first] = sqs.receive_message(QueueUrl=queue)["Messages"]
    [second] = sqs.receive_message(QueueUrl=queue)["Messages"]

    assert first["MessageId"] == second["MessageId"]
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


@pytest.fixture
def topic(sqs, sns, queue):
    arn = sns.create_topic(Name=f"topic-{queue.rpartition('/')[2]}")["TopicArn"]
    subscribe(sqs, sns, arn, queue)
    return arn


def test_an_event_is_delivered_twice(faulty, sqs, sns, queue, topic):
    faulty.inject([Rule(operation="sns.*", mode="duplicate", match=topic, count=1)])

    sns.publish(TopicArn=topic, Message="hello")

    assert bodies(sqs, queue) == ["hello", "hello"]


def letters(*texts):
    return [{"Id": text, "Message": text} for text in texts]


def test_half_of_a_batch_is_published(faulty, sqs, sns, queue, topic):
    faulty.inject([Rule(operation="sns.PublishBatch", mode="partial", match=topic)])

    answer = sns.publish_batch(
        TopicArn=topic, PublishBatchRequestEntries=letters("a", "b", "c", "d")
    )

    assert [entry["Id"] for entry in answer["Successful"]] == ["a", "c"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("b", "InternalError", False),
        ("d", "InternalError", False),
    ]
    assert sorted(bodies(sqs, queue)) == ["a", "c"]
    assert "x-amzn-requestid" in answer["ResponseMetadata"]["HTTPHeaders"]


def test_a_partial_failure_of_a_single_entry_publishes_nothing(faulty, sqs, sns, queue, topic):
    faulty.inject([Rule(operation="sns.PublishBatch", mode="partial", match=topic)])

    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=letters("a"))

    assert [entry["Id"] for entry in answer["Failed"]] == ["a"]
    assert not answer["Successful"]
    assert "x-amzn-requestid" in answer["ResponseMetadata"]["HTTPHeaders"]
    assert bodies(sqs, queue) == []


def test_half_of_a_batch_is_sent_and_half_of_that_deleted(faulty, sqs, queue):
    faulty.inject([Rule(operation="sqs.*", mode="partial", match=queue)])

    sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries("a", "b", "c", "d"))
    assert [entry["Id"] for entry in sent["Failed"]] == ["1", "3"]

    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    handles = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"]} for message in received
    ]
    deleted = sqs.delete_message_batch(QueueUrl=queue, Entries=handles)
    assert [entry["Id"] for entry in deleted["Successful"]] == [received[0]["Body"]]
    [failed] = deleted["Failed"]
    assert failed["Id"] == received[1]["Body"]
    assert (failed["Code"], failed["SenderFault"]) == ("InternalError", False)


def test_an_index_can_lag(faulty, dynamodb):
    indexed = create_table(dynamodb, outbox=("shard",))
    faulty.inject([Rule(operation="dynamodb.Query", mode="stale", match=indexed, lag=2, count=3)])

    def found(shard):
        answer = dynamodb.query(
            TableName=indexed,
            IndexName="outbox",
            KeyConditionExpression="shard = :shard",
            ExpressionAttributeValues={":shard": {"S": shard}},
        )
        return [item["pk"]["S"] for item in answer["Items"]]

    assert found("1") == []
    dynamodb.put_item(TableName=indexed, Item=ITEM | {"shard": {"S": "1"}})
    assert found("1") == []
    assert found("1") == []
    assert found("1") == ["order#1"]  # the rule has fired three times
    assert found("2") == []


def test_rules_are_counted_and_removed_by_heal(faulty, dynamodb, table):
    rule = Rule(operation="dynamodb.PutItem", mode="error", match=table, skip=1, count=1)
    faulty.inject([rule], seed=7)

    dynamodb.put_item(TableName=table, Item=ITEM)
    assert code_of(dynamodb.put_item, TableName=table, Item=ITEM) == "InternalServerError"
    dynamodb.put_item(TableName=table, Item=ITEM)

    assert faulty.faults() == {
        "seed": 7,
        "rules": [rule.model_dump() | {"seen": 3, "fired": 1}],
        "fired": {"error": 1},
    }
    assert faulty.heal()["fired"] == {"error": 1}
    assert faulty.faults() == {"seed": 0, "rules": [], "fired": {}}


def test_an_invalid_rule_is_refused_with_the_known_modes_and_changes_nothing(faulty):
    faulty.inject([Rule(operation="sqs.*", mode="delay", seconds=0.001)])

    with pytest.raises(
        ValueError, match=r"rules\.0\.mode: unknown mode 'explode'; known modes: .*throttle"
    ):
        faulty.inject([{"operation": "sqs.*", "mode": "explode"}])

    assert len(faulty.faults()["rules"]) == 1
