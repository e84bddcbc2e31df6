"""An apply converges, and creates the resources that the code looks up."""

import json

import boto3
import pytest

from infra import checkov
from local.rehearsal.container import Container
from local.rehearsal.terraform import ROOT
from workers.aws import names
from workers.aws.clients import Clients
from workers.settings import Settings
from workers.topology import Topology

# Resources that name every service, and so change with each.
NAMES_ALL = (
    "aws_cloudwatch_composite_alarm.",
    "aws_cloudwatch_dashboard.",
    "aws_cloudwatch_query_definition.",
    "aws_iam_role_policy.operator",
    "aws_iam_role_policy.reconcile",
    "aws_sns_topic_policy.",
    "aws_vpc_endpoint.",
)


def test_a_second_plan_is_empty_even_after_scaling(applied, stories):
    assert stories
    assert applied.terraform.changes() == {}


def test_tasks_get_the_resources_that_the_code_finds_by_name(applied):
    settings = Settings(name_prefix="dev-")
    clients = Clients.connect(settings, threads=1)
    sqs, sns, dynamodb = clients.control(), clients.sns(), clients.dynamodb()
    topology = Topology.load()
    for name, service in topology.services.items():
        environment = container(applied, name).environment
        assert environment["NAME_PREFIX"] == settings.name_prefix
        assert environment["TOPIC_ARN"] == names.topic_arn(sns, settings, topology.topic_name)
        assert environment["TABLE_NAME"] == names.table_name(dynamodb, settings, service.table)
        if service.consumes:
            assert environment["QUEUE_URL"] == names.queue_url(sqs, settings, name)
            assert environment["DLQ_URL"] == names.dlq_url(sqs, settings, name)
            assert environment["VISIBILITY_TIMEOUT"] == str(service.visibility_timeout)
            assert environment["CONCURRENCY"] == str(service.concurrency)


def test_a_task_gets_no_variable_that_the_code_does_not_read(applied):
    known = {field.upper() for field in Settings.model_fields}
    for name in Topology.load().services:
        assert set(container(applied, name).environment) <= known


@pytest.mark.parametrize("service", Topology.load().services)
def test_a_task_definition_is_valid_for_fargate(applied, service):
    assert container(applied, service).faults() == []


def test_one_more_service_changes_nothing_else(applied, tmp_path):
    document = json.loads((ROOT / "workers" / "topology.json").read_text("utf-8"))
    document["services"]["shipping"] = document["services"]["analytics"] | {
        "consumes": ["order.confirmed"],
        "table": "shipping",
    }
    document["tables"]["shipping"] = {"outbox": False}
    file = tmp_path / "topology.json"
    file.write_text(json.dumps(document), "utf-8")

    changes = applied.terraform.changes(f"-var=topology_file={file}")

    created = {address for address, actions in changes.items() if actions == ["create"]}
    assert all("shipping" in address for address in created)
    assert any(address.startswith('module.queue["shipping"].') for address in created)
    assert any(address.startswith('module.service["shipping"].') for address in created)
    others = {address: actions for address, actions in changes.items() if address not in created}
    assert all(actions == ["update"] for actions in others.values())
    assert [address for address in others if not address.startswith(NAMES_ALL)] == []


def test_checkov_finds_nothing_in_the_plan(applied, checkov_program):
    plan = applied.terraform.plan_document()
    enrich = ("--repo-root-for-plan-enrichment", applied.terraform.directory)
    assert checkov.findings(checkov_program, "terraform_plan", "--file", plan, *enrich) == []


def container(applied, service):
    """Read a service's container back from ECS."""
    ecs = boto3.client("ecs")
    found = ecs.describe_services(cluster=applied.outputs["cluster"], services=[service])
    return Container.read(ecs, found["services"][0])
