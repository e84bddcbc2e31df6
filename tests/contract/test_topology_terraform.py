"""Terraform and the code read the same map alike, and refuse it with the same messages."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.broken_maps import broken_maps

from workers.topology import Service, Topology
from workers.topology_rules import MAP_RULES, SERVICE_RULES

TERRAFORM = Path(__file__).parents[2] / "terraform"
# These need no provider, so a plan takes a fifth of a second.
FILES = ("variables.tf", "topology.tf", "rules.tf")
REQUIRED = {
    "jwt_keys": '{"keys": [{}]}',
    "account_id": "123456789012",
    "environment": "dev",
    "sender_email": "orders@example.com",
    "operations_email": "operations@example.com",
}

# AWS would accept a map that breaks one of these, and the system would misbehave.
IN_TERRAFORM = {
    "missing": "Terraform has no default either",
    "published": "the service would wait forever for an event",
    "visibility_timeout": "messages could become visible while they are handled",
    "dlq longer": "SQS would delete dead letters before anyone looks at them",
}
# The code refuses to start with such a map. Terraform needs no rule, because ...
IN_CODE_ONLY = {
    "fields of the map": "it fails without a field that it reads, and ignores unknown fields",
    "topic": "the provider checks the name",
    "fifo": "it fails unless the field is true or false",
    "events": "it does not read the field",
    "tables": "it fails unless outbox is true or false, and ignores other fields",
    "services": "it fails unless the field is an object",
    "object": "it fails unless the service is an object",
    "name": "the provider checks the length of the role's name, and AWS accepts the others",
    "unknown": "it ignores the field; a misspelt one is also missing",
    "owner": "it is part of names and tags, which the provider and AWS check",
    "lists": "it fails unless consumes is a list; of publishes it only reads whether it is empty",
    "known": "what no service publishes is refused above; what nobody consumes does no harm",
    "table": "it fails unless the table exists",
    "max_attempts": "it does not read the field",
    "concurrency": "the worker refuses the value at its start, and the deployment rolls back",
    "retention": "the provider checks the range",
    "dlq_retention": "the provider checks the range",
    "sends_email": "it fails unless the field is true or false",
}

pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NOT TESTED: that Terraform refuses what the code refuses. Install Terraform 1.11+.",
)


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        shutil.copy(TERRAFORM / name, tmp_path)
    return tmp_path


def run(folder, *arguments, **options):
    return subprocess.run(  # noqa: S603 - our own arguments
        ["terraform", *arguments],  # noqa: S607 - wherever it is installed
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def variables(folder, topology):
    (folder / "map.json").write_text(json.dumps(topology))
    given = REQUIRED | {"topology_file": "map.json"}
    return [f"-var={name}={value}" for name, value in given.items()]


def errors(folder, topology):
    """Plan with a map and list the error messages."""
    plan = run(folder, "plan", "-json", *variables(folder, topology))
    lines = [json.loads(line) for line in plan.stdout.splitlines()]
    return [line["diagnostic"]["detail"] for line in lines if line["type"] == "diagnostic"]


def test_every_rule_is_in_terraform_or_has_a_reason_not_to_be():
    assert {*IN_TERRAFORM, *IN_CODE_ONLY} == {*MAP_RULES, *SERVICE_RULES, "object"}
    assert not IN_TERRAFORM.keys() & IN_CODE_ONLY.keys()


def test_terraform_has_no_other_rules_of_the_map():
    rules = (TERRAFORM / "rules.tf").read_text("utf-8")

    assert rules.count("precondition {") == len(IN_TERRAFORM) + 1  # capacity of unknown services


@pytest.mark.parametrize(
    ("topology", "message"),
    [pytest.param(*rest, id=rule) for rule, *rest in broken_maps() if rule in IN_TERRAFORM],
)
def test_terraform_refuses_a_broken_map_with_the_message_of_the_code(folder, topology, message):
    assert errors(folder, topology) == [message]


def test_terraform_accepts_the_map_that_ships(folder):
    shipped = json.loads((TERRAFORM.parent / "workers" / "topology.json").read_text("utf-8"))

    assert errors(folder, shipped) == []


def test_a_file_that_is_not_json_is_refused(folder):
    (folder / "broken.json").write_text("{")
    given = REQUIRED | {"topology_file": "broken.json"}

    plan = run(folder, "plan", "-no-color", *(f"-var={k}={v}" for k, v in given.items()))

    assert plan.returncode == 1
    assert "topology_file: cannot be read, or is not JSON." in plan.stderr


def test_terraform_and_the_code_read_the_same_map(folder):
    shipped = json.loads((TERRAFORM.parent / "workers" / "topology.json").read_text("utf-8"))

    answer = run(
        folder,
        "console",
        *variables(folder, shipped),
        input="jsonencode([local.services, local.capacity])\n",
    )

    services, capacity = json.loads(json.loads(answer.stdout))
    read = {
        name: {field: value for field, value in service.items() if field not in capacity[name]}
        for name, service in services.items()
    }
    assert {name: Service.model_validate(fields) for name, fields in read.items()} == (
        Topology.load().services
    )
