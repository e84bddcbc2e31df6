"""The rehearsal refuses what Fargate would not run, and its agent answers only for its tasks."""

from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from local.rehearsal.agent import Agent
from local.rehearsal.container import TEMPORARY, Container, Unfit, declared_volumes, local_command
from local.rehearsal.prepare import secret_and_key

GIVEN = {
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "secret",
    "SessionToken": "token",
    "Expiration": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture
def agent():
    with Agent() as agent:
        agent.admit("task-1", arn="arn:task-1", cluster="dev", credentials=GIVEN)
        yield agent


def container(**changes):
    definition = {
        "command": ["payment"],
        "environment": [{"name": "STOP_TIMEOUT", "value": "60"}],
        "essential": True,
        "healthCheck": {"command": ["CMD", "workers", "healthcheck"]},
        "image": "registry/workers@sha256:01",
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "logConfiguration": {"logDriver": "awslogs", "options": {"mode": "non-blocking"}},
        "mountPoints": [{"containerPath": TEMPORARY}],
        "readonlyRootFilesystem": True,
        "stopTimeout": 60,
        "user": "10001",
    }
    task = {
        "cpu": "256",
        "executionRoleArn": "arn:execution",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "taskRoleArn": "arn:task",
    }
    return Container("payment", task | changes.pop("task", {}), definition | changes)


def test_the_agent_answers_with_the_credentials_of_the_task(agent):
    status, document = agent.credentials("/task-1/credentials")
    assert status == HTTPStatus.OK
    assert (document["Token"], document["Expiration"]) == ("token", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("path", ["/task-2/credentials", "/task-1/secrets", "/task-1", "/"])
def test_the_agent_does_not_find_other_paths(agent, path):
    assert agent.credentials(path)[0] == HTTPStatus.NOT_FOUND
    assert agent.protect(path, {"ProtectionEnabled": True})[0] == HTTPStatus.NOT_FOUND


def test_a_command_that_the_image_does_not_have_is_refused():
    with pytest.raises(Unfit, match="no program bash"):
        local_command(["bash", "-c", "true"])


def test_a_health_check_that_needs_a_shell_is_refused():
    shell = container(healthCheck={"command": ["CMD-SHELL", "workers healthcheck"]})
    with pytest.raises(Unfit, match="must be CMD, not CMD-SHELL"):
        shell.faults()


def test_a_definition_that_fargate_runs_has_no_faults():
    assert container().faults() == []


WRITABLE = "has a volume for temporary files that its user can write to"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"task": {"memory": "4096"}}, "has a size that Fargate offers"),
        ({"user": "0"}, "does not run as root"),
        ({"stopTimeout": 121}, "has a stop timeout that Fargate allows"),
        ({"image": "registry/workers:v1"}, "runs its image by digest"),
        ({"mountPoints": [{"containerPath": TEMPORARY, "readOnly": True}]}, WRITABLE),
    ],
)
def test_each_broken_rule_is_named(changes, rule):
    assert f"payment breaks the rule: {rule}" in container(**changes).faults()


def test_a_volume_that_the_image_does_not_declare_belongs_to_root(monkeypatch):
    assert declared_volumes() == [TEMPORARY]
    monkeypatch.setattr("local.rehearsal.container.declared_volumes", list)

    assert f"payment breaks the rule: {WRITABLE}" in container().faults()


def test_a_secret_may_be_one_key_of_a_document():
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf"

    assert [secret_and_key(arn), secret_and_key(f"{arn}:key::")] == [(arn, ""), (arn, "key")]
