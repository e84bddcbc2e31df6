"""The operators' commands run as the operator role, which has no right that they do not need."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from typer.testing import CliRunner

from infra import rights
from infra.conftest import ON_CALL, PREFIX
from local.rehearsal.roles import ACCOUNT, NotTrusted, assume
from workers import cli
from workers.topology import Topology

CONSUMERS = tuple(Topology.load().consumers)
EVENT_ID = "6a7d2f0e-5f0b-4a55-9b55-0d6b35a3a1c0"


@pytest.fixture(scope="module")
def operator(applied, stories):
    """Assume the operator role; return a function that runs a command as this role."""
    assert stories
    role = assume(applied.outputs["operator_role_arn"], principal=ON_CALL, context={})
    environment = {
        "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
        "AWS_SESSION_TOKEN": role["SessionToken"],
        "NAME_PREFIX": PREFIX,
    }

    def run(*arguments, codes=(0,), **settings):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (environment | settings).items():
                patch.setenv(name, value)
            result = CliRunner().invoke(cli.build(), arguments)
        assert result.exit_code in codes, (result.output, result.exception)
        return result.stdout

    return run


@pytest.fixture(scope="module")
def operated(aws, applied, operator, stories, tmp_path_factory):
    """Run every command of an operator; return what was moved, and the rights that were used."""
    moved = {"order": next(iter(stories.result.planned))}
    exported = tmp_path_factory.mktemp("exported")
    for service in CONSUMERS:
        undelivered = applied.outputs["queues"][service]["undelivered_url"]
        boto3.client("sqs").send_message(QueueUrl=undelivered, MessageBody="{}")
        _bring_back(operator, service, exported / f"{service}.ndjson")
        for kind, options in (("dlq", ()), ("undelivered", ("--undelivered",))):
            letter, *_ = json.loads(operator("dlq", "list", service, "--json", *options))
            operator("dlq", "show", service, letter["id"], "--reveal", *options)
            redrive = operator("dlq", "redrive", service, "--yes", "--json", *options)
            moved[service, kind] = json.loads(redrive)
        moved[service, "audit"] = json.loads(operator("audit", service, "--json"))
    _set_aside(applied.outputs["tables"]["orders"])
    assert json.loads(operator("outbox", "list", "--json"))["set_aside"]
    moved["outbox"] = json.loads(operator("outbox", "retry", "--all", "--yes", "--json"))
    operator("stock", "set", "LAPTOP-001", "1000", "--yes")
    operator("stock", "adjust", "LAPTOP-001", "-1", "--reason", "a test", "--yes")
    for count in ("4", "1"):
        operator("stock", "buckets", "LAPTOP-001", count, "--reason", "a test", "--yes")
    operator("stock", "price", "LAPTOP-001", "850", "EUR", "--reason", "a test", "--yes")
    operator("stock", "price", "LAPTOP-001", "--remove", "--reason", "a test", "--yes")
    operator("stock", "show", "LAPTOP-001")
    _follow_orders(operator)
    for service in CONSUMERS:
        operator("pause", service, "--for", "10m", "--yes")
        operator("resume", service, "--yes")
    for arguments in (["queues"], ["stock", "list"], ["counters"]):
        assert json.loads(operator(*arguments, "--json"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.ops.doctor.scope.is_aws", lambda _: True)
        moved["doctor"] = json.loads(operator("doctor", "--json", codes=(0, 1)))["findings"]
    _replay(operator, moved)
    return moved, aws.rights()


def _bring_back(operator, service, file):
    """Export the dead letters of a service, discard them, and import them again."""
    operator("dlq", "export", service, str(file))
    operator("dlq", "discard", service, "--reason", "a test", "--yes")
    operator("dlq", "import", service, str(file), "--yes")


def _replay(operator, moved):
    """Replay everything of today to each service, then an order; then rebuild analytics."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for service in CONSUMERS:
        handled = json.loads(operator("replay", service, "--from", today, "--json"))["handled"]
        found = operator("replay", service, "--from", today, "--again", "--yes", "--json")
        moved[service, "replay"] = json.loads(found) | {"handled": handled}
    order = operator("replay", "orders", "--order", moved["order"], "--again", "--yes", "--json")
    moved["order"] = json.loads(order)
    rebuilt = operator("replay", "analytics", "--rebuild", "--archive-delay=0", "--yes", "--json")
    moved["rebuild"] = json.loads(rebuilt)


def _follow_orders(operator):
    """Look at an order in every way, and reconcile; the messages sent here leave differences."""
    (order,) = json.loads(operator("order", "list", "--limit", "1", "--json"))["orders"]
    shipped = json.loads(operator("order", "list", "--state", "refunded", "--json"))["orders"]
    _forget_the_shipment(shipped[0]["order_id"])
    operator("stock", "settle", shipped[0]["order_id"], "--reason", "a test", "--yes")
    operator("order", "show", order["order_id"])
    revealed = json.loads(operator("order", "show", order["order_id"], "--reveal", "--json"))
    address = revealed["customer_email"]
    operator("customer", "erase", address, "--reason", "a test", "--yes", codes=(0,))
    assert json.loads(operator("trace", order["order_id"], "--json"))["events"]
    operator("reconcile", "--json", codes=(0, 1))


def _forget_the_shipment(order_id):
    """Have inventory hold the units of a shipped order, as before it consumed order.shipped."""
    boto3.client("dynamodb").update_item(
        TableName=f"{PREFIX}inventory",
        Key={"pk": {"S": f"reservation#{order_id}"}},
        UpdateExpression="SET #state = :reserved",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":reserved": {"S": "reserved"}},
    )


def _set_aside(table):
    """Add an event to the outbox that no relay retries, because it cannot be read."""
    item = {
        "pk": f"outbox#{EVENT_ID}",
        "body": "{}",
        "outboxShard": "stuck",
        "outboxOrder": f"2020-01-01T00:00:00.000000+00:00#{EVENT_ID}",
        "stuckReason": "a test",
    }
    boto3.client("dynamodb").put_item(
        TableName=table, Item={name: {"S": value} for name, value in item.items()}
    )


def test_an_operator_can_redrive_every_queue(operated):
    moved, _ = operated
    kinds = [(service, kind) for service in CONSUMERS for kind in ("dlq", "undelivered")]
    assert [kind for kind in kinds if not moved[kind]["messages"]] == []
    actions = {"dlq export", "dlq discard", "dlq import", "dlq show --reveal", "dlq redrive"}
    assert {s: {each["action"] for each in moved[s, "audit"]} for s in CONSUMERS} == dict.fromkeys(
        CONSUMERS, actions
    )
    who = {each["by"] for s in CONSUMERS for each in moved[s, "audit"]}
    assert [arn for arn in who if not arn.endswith("-operator/task")] == []
    assert moved["outbox"] == {"events": 1, "retried": True}


def test_an_operator_can_replay_events_from_the_archive(operated):
    moved, _ = operated
    assert [service for service in CONSUMERS if not moved[service, "replay"]["events"]] == []
    assert [service for service in CONSUMERS if not moved[service, "replay"]["handled"]] == []
    assert moved["order"]["events"] >= 1
    assert moved["rebuild"]["events"] > 0


def test_the_doctor_agrees_with_terraform(operated):
    """It may find messages, which earlier tests left, and nothing that Terraform configures."""
    moved, _ = operated
    left = ("dead-lettered", "could not deliver", "set aside")
    found = [each for each in moved["doctor"] if not any(word in each["problem"] for word in left)]
    assert found == []


def test_the_operator_role_lacks_no_permission_and_has_no_unused_one(applied, operated):
    _, used = operated
    name = applied.outputs["operator_role_arn"].rpartition("/")[2]
    mine = [each for each in used if each["role"] == name]
    assert rights.refused(mine) == []
    assert rights.never_used(name, mine) == []


@pytest.mark.parametrize(
    "stranger", ["role/other", "role/dev-payment-task", "user/on-call", "root"]
)
def test_nobody_else_can_assume_the_operator_role(applied, stranger):
    with pytest.raises(NotTrusted):
        assume(
            applied.outputs["operator_role_arn"],
            principal=f"arn:aws:iam::{ACCOUNT}:{stranger}",
            context={},
        )
