"""The doctor finds each planted misconfiguration, and nothing else; a healthy system has none."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import boto3
import pytest
from typer.testing import CliRunner

from workers import cli
from workers.aws import names
from workers.aws.clients import Clients
from workers.ops.doctor import alarms, setup, tables, topic
from workers.ops.doctor.examine import Named, diagnose, run
from workers.ops.doctor.scope import Scope
from workers.provision.policies import queue_policy
from workers.settings import Settings
from workers.topology import Topology

pytestmark = pytest.mark.integration
ACCOUNT = "123456789012"


@pytest.fixture
def clients(provisioned):
    return Clients.connect(provisioned, threads=1)


@pytest.fixture
def examined(provisioned, clients):
    """Return a function that examines the system and returns the findings as lines."""

    def examine(environment=None, **changes):
        settings = provisioned.model_copy(update=changes)
        return diagnose(clients, settings, Topology.load(), environment or {}).findings

    return examine


@pytest.fixture
def payment(provisioned):
    """Return what belongs to payment: names, addresses and clients."""
    return Payment(provisioned)


class Payment:
    def __init__(self, settings):
        self.prefix = settings.name_prefix
        self.sqs, self.sns = boto3.client("sqs"), boto3.client("sns")
        self.dynamodb = boto3.client("dynamodb")
        self.url = names.queue_url(self.sqs, settings, "payment")
        self.dlq_url = names.dlq_url(self.sqs, settings, "payment")
        self.topic_arn = names.topic_arn(self.sns, settings, "order-events")
        self.arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{self.prefix}payment-queue"
        pages = self.sns.get_paginator("list_subscriptions_by_topic")
        (self.subscription,) = [
            each["SubscriptionArn"]
            for page in pages.paginate(TopicArn=self.topic_arn)
            for each in page["Subscriptions"]
            if each["Endpoint"] == self.arn
        ]

    def set(self, **attributes):
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes=attributes)

    def set_subscription(self, name, value):
        self.sns.set_subscription_attributes(
            SubscriptionArn=self.subscription, AttributeName=name, AttributeValue=value
        )


def test_a_healthy_system_has_no_findings(examined):
    assert examined() == ()


def visibility(payment):
    payment.set(VisibilityTimeout="30")


def retention(payment):
    payment.set(MessageRetentionPeriod="3600")


def short_polls(payment):
    payment.set(ReceiveMessageWaitTimeSeconds="0")


def redrive_target(payment):
    other = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{payment.prefix}orders-queue-dlq"
    payment.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": other, "maxReceiveCount": 1_000}))


def receive_count(payment):
    arn = f"{payment.arn}-dlq"
    payment.set(RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3}))


def foreign_policy(payment):
    policy = queue_policy(payment.arn, f"{payment.topic_arn}-other")
    payment.set(Policy=json.dumps(policy))


def narrow_filter(payment):
    payment.set_subscription("FilterPolicy", json.dumps({"eventType": ["order.created"]}))


def filter_of_bodies(payment):
    payment.set_subscription("FilterPolicyScope", "MessageBody")


def wrapped_delivery(payment):
    payment.set_subscription("RawMessageDelivery", "false")


def no_subscription(payment):
    payment.sns.unsubscribe(SubscriptionArn=payment.subscription)


def no_queue(payment):
    payment.sqs.delete_queue(QueueUrl=payment.url)


def dead_letter(payment):
    payment.sqs.send_message(QueueUrl=payment.dlq_url, MessageBody="{}")


def no_ttl(payment):
    payment.dynamodb.update_time_to_live(
        TableName=f"{payment.prefix}payment",
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"},
    )


def no_table(payment):
    payment.dynamodb.delete_table(TableName=f"{payment.prefix}payment")


def no_index(payment):
    payment.dynamodb.update_table(
        TableName=f"{payment.prefix}orders",
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "outbox"}}],
    )


def set_aside(payment):
    payment.dynamodb.put_item(
        TableName=f"{payment.prefix}orders",
        Item={
            name: {"S": value}
            for name, value in {
                "pk": "outbox#1",
                "body": "{}",
                "outboxShard": "stuck",
                "outboxOrder": "2020-01-01T00:00:00.000000+00:00#1",
                "stuckReason": "a test",
            }.items()
        },
    )


@pytest.mark.parametrize(
    ("plant", "subject", "problem"),
    [
        (visibility, "payment-queue", "visibility timeout is 30 s instead of 90 s"),
        (retention, "payment-queue", "retention is 3600 s instead of 345600 s"),
        (short_polls, "payment-queue", "wait of a poll is 0 s instead of 20 s"),
        (redrive_target, "payment-queue", "dead-letters to "),
        (receive_count, "payment-queue", "max receive count is 3 instead of 1000"),
        (foreign_policy, "payment-queue", "its policy does not let "),
        (
            narrow_filter,
            "payment-queue",
            "its filter leaves out order.cancelled, order.refunded: these events never arrive",
        ),
        (filter_of_bodies, "payment-queue", "its filter looks at MessageBody"),
        (wrapped_delivery, "payment-queue", "raw delivery is off"),
        (no_subscription, "payment-queue", "is not subscribed to the topic"),
        (no_queue, "payment-queue", "does not exist"),
        (dead_letter, "payment-queue-dlq", "1 message dead-lettered"),
        (no_ttl, "payment", "its time to live is off"),
        (no_table, "payment", "does not exist"),
        (no_index, "orders", "has no index outbox"),
        (set_aside, "orders", "1 set aside"),
    ],
)
def test_each_planted_misconfiguration_is_the_only_finding(
    examined, payment, plant, subject, problem
):
    plant(payment)

    (found,) = examined()

    assert found.subject == payment.prefix + subject
    assert found.problem.startswith(problem)
    assert found.remedy


@pytest.mark.parametrize(
    ("environment", "settings", "subject"),
    [
        ({"ALLOW_SIMULATON": "true"}, {}, "ALLOW_SIMULATON"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, {}, "AWS_DEFAULT_REGION"),
        ({}, {"visibility_timeout": 5}, "VISIBILITY_TIMEOUT"),
    ],
)
def test_a_wrong_setting_is_the_only_finding(examined, environment, settings, subject):
    (found,) = examined(environment, **settings)
    assert (found.area, found.subject) == ("setting", subject)


def test_a_stop_timeout_shorter_than_a_call_is_found(examined):
    found = examined(stop_timeout=12)
    assert {each.subject for each in found} == {"STOP_TIMEOUT"}


def test_a_wrong_prefix_is_one_finding_that_names_the_place(examined):
    (found,) = examined(name_prefix="nobody-")
    assert "region eu-west-1, prefix 'nobody-', endpoint http" in found.problem
    assert f"account {ACCOUNT}" in found.problem


def test_the_command_exits_with_1_for_a_finding_and_0_without(provisioned, payment, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    healthy = CliRunner().invoke(cli.build(), ["doctor"])
    visibility(payment)
    started = time.monotonic()
    sick = CliRunner().invoke(cli.build(), ["doctor", "--json"])

    assert (healthy.exit_code, healthy.stdout.splitlines()[-1]) == (0, "nothing is wrong")
    assert sick.exit_code == 1
    assert len(json.loads(sick.stdout)["findings"]) == 1
    assert time.monotonic() - started < 30


def test_an_endpoint_that_does_not_answer_is_one_finding(provisioned, unreachable_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", unreachable_url)
    clients = Clients.connect(provisioned, threads=1)

    (found,) = diagnose(clients, provisioned, Topology.load(), {}).findings

    assert found.area == "credentials"
    assert found.problem.startswith("not checked: sts: ")


def test_a_check_that_may_not_ask_is_a_finding_and_the_others_run(aws, examined, payment):
    visibility(payment)
    aws.inject([{"operation": "dynamodb.DescribeTable", "mode": "expired"}])
    try:
        found = examined()
    finally:
        aws.inject([])

    assert [each.kind for each in found] == ["wrong", "unchecked"]
    assert "DescribeTable" in found[1].problem


def test_a_check_that_hangs_is_not_waited_for():
    slow = Named("table", "slow", lambda: time.sleep(5) or [])
    (found,) = run([slow], timeout=0.05)
    assert found.problem == "not checked: no answer within 0 s"


def test_alarms_that_lack_are_found(clients, provisioned):
    scope = Scope.connect(clients, provisioned, Topology.load(), {})
    cloudwatch = boto3.client("cloudwatch")
    wanted = alarms.names(scope.topology, provisioned.name_prefix)
    for name in wanted[:-1]:
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmActions=[f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts"],
            MetricName="m",
            Namespace="n",
            Period=60,
            Statistic="Sum",
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )

    (found,) = alarms.examine_alarms(scope)

    assert (found.subject, found.problem) == (wanted[-1], "does not exist: nobody is told")


def test_deliveries_without_attributes_are_found(clients, provisioned):
    scope = Scope.connect(clients, provisioned, Topology.load(), {})
    assert list(topic.examine_filtered_out(scope)) == []
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/SNS",
        MetricData=[
            {
                "MetricName": topic.FILTERED_OUT,
                "Dimensions": [
                    {"Name": "TopicName", "Value": f"{provisioned.name_prefix}order-events"}
                ],
                "Timestamp": datetime.now(UTC) - timedelta(minutes=5),
                "Value": 7,
            }
        ],
    )

    (found,) = topic.examine_filtered_out(scope)

    assert found.problem.startswith("7 deliveries in 24 h had no message attributes")


def test_a_table_without_backups_is_found():
    off = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "DISABLED"}}
    assert next(tables.backup_problems(off)).startswith("point-in-time recovery is off")


@pytest.mark.parametrize(("seconds", "side"), [(-200, "behind"), (200, "ahead of")])
def test_a_clock_that_is_off_is_found(seconds, side):
    now = datetime.now(UTC)
    date = format_datetime(now.replace(tzinfo=UTC) - timedelta(seconds=seconds), usegmt=True)
    (found,) = setup.clock_findings(date, now)
    assert f"{side} AWS" in found.problem


def test_a_map_that_differs_from_the_handlers_is_found():
    topology = Topology.load()
    payment = topology.services["payment"]
    services = topology.services | {
        "payment": payment.model_copy(update={"consumes": frozenset({"order.shipped"})})
    }
    found = list(setup.handler_findings(topology.model_copy(update={"services": services})))
    assert [each.subject for each in found] == ["payment", "payment"]
    assert Settings().stop_timeout == 120
