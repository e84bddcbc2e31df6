"""A plan deploys the image that it was given, and a task has everything that it needs."""

import json
from dataclasses import replace

import boto3
import pytest

from infra.conftest import IMAGE_TAG
from local.rehearsal.container import Container
from local.rehearsal.registry import push_image, repository
from local.rehearsal.terraform import Failed

# What a task needs to start and to work.
NEEDED = (
    "aws_ecs_cluster_capacity_providers.this",
    "aws_route_table_association.private",
    "aws_sns_topic_policy.this",
    "aws_vpc_endpoint.gateway",
    "aws_vpc_endpoint.interface",
    "aws_vpc_security_group_egress_rule.api_link",
    "aws_vpc_security_group_egress_rule.endpoints",
    "aws_vpc_security_group_egress_rule.gateways",
    "aws_vpc_security_group_ingress_rule.endpoints",
    "aws_vpc_security_group_ingress_rule.order_api",
    "module.service.aws_iam_role_policy.execution",
    "module.service.aws_iam_role_policy.task",
)


def test_a_tag_that_nobody_pushed_fails_the_plan(applied):
    with pytest.raises(Failed, match=r"couldn't find resource(.|\n)*`make image` pushes"):
        applied.terraform.changes("-var=image_tag=never-pushed")


def test_every_task_runs_the_digest_of_the_tag(applied):
    assert images(applied) == {digest(applied, IMAGE_TAG)}


def test_a_change_of_capacity_deploys_nothing(applied, secrets):
    services = json.dumps({"payment": {"secrets": secrets, "max": 12}})

    changes = without_tag(applied).changes(f"-var=services={services}")

    assert changes == {'module.service["payment"].aws_appautoscaling_target.this': ["update"]}


def test_a_change_of_capacity_keeps_a_rollback(applied):
    running = digest(applied, IMAGE_TAG)
    name = repository(applied.outputs["repository_url"])
    push_image(name, "bad-release")
    given = applied.terraform.plan_document("-var=image_tag=bad-release")
    assert planned_images(given) == {digest(applied, "bad-release")}

    # ECS has rolled the release back: the service runs an older task definition than the newest.
    ecs = boto3.client("ecs")
    [service] = ecs.describe_services(cluster=applied.outputs["cluster"], services=["payment"])[
        "services"
    ]
    register_again(ecs, service["taskDefinition"], {running: digest(applied, "bad-release")})

    assert without_tag(applied).changes() == {}


def test_a_deployment_that_ecs_rolled_back_is_reported(applied):
    ecs, cluster = boto3.client("ecs"), applied.outputs["cluster"]
    released = applied.outputs["services"]["payment"]["task_definition"]
    older = register_again(ecs, released)
    ecs.update_service(cluster=cluster, service="payment", taskDefinition=older)

    # An apply evaluates the same condition, and fails; nothing here rolls back during an apply.
    said = " ".join(
        applied.terraform.run("plan", "-refresh-only", *applied.terraform.variables).split()
    )

    ecs.update_service(cluster=cluster, service="payment", taskDefinition=released)
    assert "payment: ECS has rolled the deployment back to" in said


def register_again(ecs, arn, replaced=None):
    """Register a copy of a task definition, with digests of images replaced. Returns its ARN."""
    task = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    containers = task["containerDefinitions"]
    for old, new in (replaced or {}).items():
        containers = [each | {"image": each["image"].replace(old, new)} for each in containers]
    kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities")
    answer = ecs.register_task_definition(
        **{field: task[field] for field in kept}, containerDefinitions=containers
    )
    return answer["taskDefinition"]["taskDefinitionArn"]


def test_a_service_starts_after_what_its_tasks_need_and_stops_before_it(applied):
    state = json.loads((applied.terraform.directory / "terraform.tfstate").read_text("utf-8"))
    dependencies = {
        instance["index_key"] if "index_key" in instance else each["module"]: set(
            instance["dependencies"]
        )
        for each in state["resources"]
        if each["type"] == "aws_ecs_service"
        for instance in each["instances"]
    }

    assert dependencies
    for service, known in dependencies.items():
        assert set(NEEDED) - known == set(), service


def without_tag(applied):
    """Return the configuration without an image tag, as for a change of capacity."""
    kept = tuple(each for each in applied.terraform.variables if "image_tag" not in each)
    return replace(applied.terraform, variables=kept)


def digest(applied, tag):
    name = repository(applied.outputs["repository_url"])
    found = boto3.client("ecr").describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])
    return found["imageDetails"][0]["imageDigest"]


def images(applied):
    """Return the digests that the services run."""
    ecs = boto3.client("ecs")
    names = list(applied.outputs["services"])
    found = ecs.describe_services(cluster=applied.outputs["cluster"], services=names)["services"]
    return {Container.read(ecs, each).definition["image"].partition("@")[2] for each in found}


def planned_images(document):
    """Return the digests of the planned task definitions."""
    changes = json.loads(document.read_text("utf-8"))["resource_changes"]
    return {
        json.loads(each["change"]["after"]["container_definitions"])[0]["image"].partition("@")[2]
        for each in changes
        if each["type"] == "aws_ecs_task_definition" and "create" in each["change"]["actions"]
    }
