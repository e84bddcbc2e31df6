"""Provisioning creates the map's resources on the embedded AWS."""

import json
from uuid import uuid4

import boto3
import pytest

from workers.aws import names
from workers.aws.clients import Clients
from workers.ops.doctor.examine import diagnose
from workers.ops.queues import Queues
from workers.ops.stock import list_stock, set_stock
from workers.provision.provision import ProvisionError, provision
from workers.samples import PRICES
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT, Topology, dlq_name, queue_name

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(aws):
    assert aws.url
    return Settings(name_prefix=f"t{uuid4().hex[:8]}-", sender_email=f"{uuid4()}@example.com")


@pytest.fixture
def topology():
    return Topology.load()


def attributes(url):
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return found["Attributes"]


def subscription(report, queue):
    sns, arn = boto3.client("sns"), attributes(report.queue_urls[queue])["QueueArn"]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=report.topic_arn)
    [found] = [s for page in pages for s in page["Subscriptions"] if s["Endpoint"] == arn]
    return sns.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])["Attributes"]


def test_every_consumer_gets_the_queue_in_the_map(settings, topology):
    report = provision(settings, topology)
    for name, service in topology.consumers.items():
        queue = attributes(report.queue_urls[settings.name_prefix + queue_name(name)])
        dlq = attributes(report.queue_urls[settings.name_prefix + dlq_name(name)])
        assert json.loads(queue["RedrivePolicy"]) == {
            "deadLetterTargetArn": dlq["QueueArn"],
            "maxReceiveCount": MAX_RECEIVE_COUNT,
        }
        assert json.loads(dlq["RedriveAllowPolicy"]) == {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [queue["QueueArn"]],
        }
        assert queue["VisibilityTimeout"] == str(service.visibility_timeout)
        assert queue["ReceiveMessageWaitTimeSeconds"] == "20"
        assert (queue["MessageRetentionPeriod"], dlq["MessageRetentionPeriod"]) == (
            str(4 * 86_400),
            str(14 * 86_400),
        )


def test_a_queue_admits_the_topic_and_only_over_tls(settings, topology):
    report = provision(settings, topology)
    queue = attributes(report.queue_urls[f"{settings.name_prefix}payment-queue"])
    allow, deny = json.loads(queue["Policy"])["Statement"]
    assert (allow["Effect"], allow["Principal"]) == ("Allow", {"Service": "sns.amazonaws.com"})
    assert allow["Action"] == "sqs:SendMessage"
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": report.topic_arn}}
    assert (deny["Effect"], deny["Action"]) == ("Deny", "sqs:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allow["Resource"] == deny["Resource"] == queue["QueueArn"]


def test_a_service_receives_only_the_events_that_it_consumes(settings, topology):
    report = provision(settings, topology)
    event_types = sorted({e for service in topology.services.values() for e in service.publishes})
    for event_type in event_types:
        boto3.client("sns").publish(
            TopicArn=report.topic_arn,
            Message=event_type,
            MessageAttributes={"eventType": {"DataType": "String", "StringValue": event_type}},
        )
    for name, service in topology.consumers.items():
        url = report.queue_urls[settings.name_prefix + queue_name(name)]
        assert received(url) == sorted(service.consumes)


def received(url):
    sqs, bodies = boto3.client("sqs"), []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
        "Messages"
    ):
        bodies += [message["Body"] for message in found]
    return sorted(bodies)


def test_tables_expire_rows_and_have_an_outbox_only_if_the_map_does(settings, topology):
    report = provision(settings, topology)
    dynamodb = boto3.client("dynamodb")
    indexed = set()
    for name in report.tables:
        table = dynamodb.describe_table(TableName=name)["Table"]
        assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires")
        if table.get("GlobalSecondaryIndexes"):
            indexed.add(name.removeprefix(settings.name_prefix))
    assert indexed == {name for name, table in topology.tables.items() if table.outbox}


def test_a_time_to_live_that_was_turned_off_is_turned_on_again(settings, topology):
    name = provision(settings, topology).tables[0]
    dynamodb = boto3.client("dynamodb")
    dynamodb.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )

    assert provision(settings, topology).changes == (f"set the time to live of table {name}",)

    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"


def test_the_sender_is_verified(settings, topology):
    provision(settings, topology)
    boto3.client("ses").send_email(
        Source=settings.sender_email,
        Destination={"ToAddresses": ["to@example.com"]},
        Message={"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "b"}}},
    )


def test_provisioning_twice_changes_nothing(settings, topology):
    lines = []
    first = provision(settings, topology, lines.append)
    assert first.changes == tuple(lines)
    assert f"created topic {settings.name_prefix}{topology.topic}" in lines
    second = provision(settings, topology)
    assert second.changes == ()
    assert (second.topic_arn, second.queue_urls) == (first.topic_arn, first.queue_urls)


def test_stock_is_added_once_and_sold_units_are_not_replaced(settings, topology):
    provision(settings, topology, stock=20)
    table, dynamodb = f"{settings.name_prefix}inventory", boto3.client("dynamodb")
    assert {article.available for article in list_stock(dynamodb, table)} == {20}
    set_stock(dynamodb, table, "LAPTOP-001", available=7, reorder_threshold=10)

    assert provision(settings, topology, stock=20).changes == ()

    left = {article.sku: article.available for article in list_stock(dynamodb, table)}
    assert left == dict.fromkeys(PRICES, 20) | {"LAPTOP-001": 7}


def test_a_changed_map_is_applied(settings, topology):
    provision(settings, topology)
    changed = topology.model_dump(mode="json")
    changed["services"]["payment"] |= {"consumes": ["order.created"], "visibility_timeout": 45}
    changed["tables"]["payment"]["outbox"] = True
    report = provision(settings, Topology.model_validate(changed))
    queue = f"{settings.name_prefix}payment-queue"
    assert sorted(report.changes) == [
        f"created the outbox index of table {settings.name_prefix}payment",
        f"set FilterPolicy of the subscription of queue {queue}",
        f"set VisibilityTimeout of queue {queue}",
    ]
    found = subscription(report, queue)
    assert json.loads(found["FilterPolicy"]) == {"eventType": ["order.created"]}
    assert found["RawMessageDelivery"] == "true"
    assert json.loads(attributes(report.queue_urls[queue])["Policy"])["Statement"]


@pytest.mark.parametrize("endpoint", [None, "https://sqs.eu-west-1.amazonaws.com"])
def test_real_aws_is_refused(settings, topology, monkeypatch, endpoint):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ProvisionError, match="Terraform"):
        provision(settings, topology)


def test_an_endpoint_that_never_answers_is_an_error(settings, topology, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("workers.provision.provision.PATIENCE", 0.1)
    with pytest.raises(ProvisionError, match=r"127\.0\.0\.1:1 did not answer"):
        provision(settings, topology)


def test_a_fifo_map_gets_a_fifo_topic_and_fifo_queues(settings, topology):
    fifo = topology.model_copy(update={"fifo": True})
    report = provision(settings, fifo)

    found = boto3.client("sns").get_topic_attributes(TopicArn=report.topic_arn)["Attributes"]
    assert report.topic_arn.endswith("order-events.fifo")
    assert (found["FifoTopic"], found["FifoThroughputScope"]) == ("true", "MessageGroup")
    for name in fifo.consumers:
        for queue in (fifo.queue_name(name), fifo.dlq_name(name)):
            has = attributes(report.queue_urls[settings.name_prefix + queue])
            assert has["FifoQueue"] == "true"
            assert has["DeduplicationScope"] == "messageGroup"
            assert has["FifoThroughputLimit"] == "perMessageGroupId"
        assert subscription(report, settings.name_prefix + fifo.queue_name(name))
    assert provision(settings, fifo).changes == ()


def test_the_commands_find_what_a_fifo_map_made(settings, topology, monkeypatch):
    monkeypatch.setenv("FIFO", "true")
    provision(settings, Topology.load())
    clients = Clients.connect(settings, threads=1)

    states = Queues(clients, settings, Topology.load()).states()

    assert {state.service for state in states} == set(topology.consumers)
    sqs = clients.control()
    assert names.dlq_url(sqs, settings, "payment").endswith("-queue-dlq.fifo")
    assert not diagnosed(clients, settings, "queue", "topic", "subscription")


def diagnosed(clients, settings, *areas):
    """List what the doctor finds wrong in these areas."""
    found = diagnose(clients, settings, Topology.load(), {})
    return [finding for finding in found.findings if finding.area in areas]
