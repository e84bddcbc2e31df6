"""The scheduled reconciliation may read what it compares, and its schedule may start only it."""

import json
import os
import subprocess

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.rights import refused
from local.aws.iam.statements import Call, verdict
from local.rehearsal.container import local_command
from local.rehearsal.roles import ACCOUNT, assume, policy_of, session
from workers.aws.codes import DENIED

REGION = "eu-west-1"
NAME = "dev-reconcile"
ECS, EVENTS = "ecs-tasks.amazonaws.com", "events.amazonaws.com"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/dev-order-pipeline-reconcile"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/dev-order-pipeline"


@pytest.fixture
def reader(applied):
    """Return a session with the role of the task."""
    assert applied.outputs
    context = {
        "aws:sourceaccount": ACCOUNT,
        "aws:sourcearn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/any",
    }
    role = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-task"
    return session(assume(role, principal=ECS, context=context))


def test_the_task_reads_the_books_and_writes_none(applied, reader):
    dynamodb = reader.client("dynamodb")

    for table in applied.outputs["tables"].values():
        dynamodb.scan(TableName=table)
        dynamodb.batch_get_item(RequestItems={table: {"Keys": [{"pk": {"S": "any"}}]}})
        put = {"TableName": table, "Item": {"pk": {"S": "any"}}}
        assert code(lambda put=put: dynamodb.put_item(**put)) in DENIED


def test_the_schedule_may_start_this_task_in_this_cluster_and_nothing_else(applied):
    assert applied.outputs
    task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{NAME}:1"
    other = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/dev-payment:1"

    assert may("ecs:RunTask", task, {"ecs:cluster": CLUSTER})
    assert not may("ecs:RunTask", other, {"ecs:cluster": CLUSTER})
    assert not may("ecs:RunTask", task, {"ecs:cluster": f"{CLUSTER}-other"})
    assert may("iam:PassRole", role("reconcile-task"), {"iam:passedtoservice": ECS})
    assert not may("iam:PassRole", role("payment-task"), {"iam:passedtoservice": ECS})
    assert not may("iam:PassRole", role("reconcile-task"), {"iam:passedtoservice": EVENTS})


def test_the_rule_starts_the_latest_revision_of_the_task_with_its_role(applied):
    assert applied.outputs
    events, ecs = boto3.client("events"), boto3.client("ecs")
    (target,) = events.list_targets_by_rule(Rule="dev-order-pipeline-reconcile")["Targets"]
    schedule = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-schedule"
    context = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": RULE}

    assert target["RoleArn"] == schedule
    assert assume(schedule, principal=EVENTS, context=context)
    definition = target["EcsParameters"]["TaskDefinitionArn"]
    assert definition.endswith(f":task-definition/{NAME}")
    found = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert found["containerDefinitions"][0]["command"] == ["reconcile", "--json"]


def test_the_command_needs_no_other_right(aws, reader, tmp_path):
    definition = boto3.client("ecs").describe_task_definition(taskDefinition=NAME)
    (container,) = definition["taskDefinition"]["containerDefinitions"]
    settings = {each["name"]: each["value"] for each in container["environment"]}
    command = local_command([*container["entryPoint"], *container["command"]])
    before = lacking(aws)  # another test tries what the role may not do
    done = reader_runs(reader, command, settings, aws.url, tmp_path)

    assert done.returncode in (0, 1), done.stderr
    assert lacking(aws) - before == set()
    metrics = [json.loads(line) for line in done.stderr.splitlines() if '"_aws"' in line]
    assert len(metrics) == 1, "the number of differences is not on a line of its own"


def lacking(aws):
    """Return what the task was refused so far."""
    return set(refused([each for each in aws.rights() if each["role"] == f"{NAME}-task"]))


def reader_runs(reader, command, settings, url, folder):
    """Run a command with the credentials of a session and nothing else of this environment."""
    held = reader.get_credentials()
    environment = settings | {
        "AWS_ACCESS_KEY_ID": held.access_key,
        "AWS_ENDPOINT_URL": url,
        "AWS_SECRET_ACCESS_KEY": held.secret_key,
        "AWS_SESSION_TOKEN": held.token,
        "HOME": str(folder),
        "PATH": os.defpath,
    }
    return subprocess.run(  # noqa: S603 - our own command
        command,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def may(action, resource, context):
    """Return whether the role of the schedule may make a call."""
    call = Call(action, resource, context=context)
    return verdict(call, identity=policy_of(f"{NAME}-schedule")) == "allowed"


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/dev-{name}"


def code(call):
    with pytest.raises(ClientError) as refusal:
        call()
    return refusal.value.response["Error"]["Code"]
