"""The configuration of the account applies, and its own tests pass."""

import json
import os
from dataclasses import replace

import boto3
import pytest

from infra.conformance.conditions import ineffective
from infra.conformance.linting import refused
from infra.conformance.plan import planned
from infra.conformance.policies import listed, too_large, unread
from infra.conftest import asked
from local.aws.conformance import operations
from local.aws.counts import Request
from local.aws.embedded import EmbeddedAws
from local.aws.iam.statements import Call, statements_of, verdict
from local.rehearsal.roles import ACCOUNT

NAME = "order-pipeline"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev-order-pipeline"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary-dev"
# What tasks ask for while Terraform plans: they run as long as the tests.
OF_WORKERS = {
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:TransactWriteItems",
    "dynamodb:UpdateItem",
    "sns:PublishBatch",
    "sqs:ChangeMessageVisibilityBatch",
    "sqs:DeleteMessageBatch",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html and API_ListObjects.html
S3_ACTIONS = {"s3:HeadBucket": "s3:ListBucket", "s3:ListObjects": "s3:ListBucket"}


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Run an empty embedded AWS: the other tests' one may have a registry."""
    with EmbeddedAws(log=tmp_path_factory.mktemp("account") / "aws.txt") as aws:
        aws.check_requests()
        yield aws


@pytest.fixture(scope="module")
def bootstrap(terraform, account):
    """Return the initialised configuration of the account."""
    own = {n: v for n, v in terraform.environment.items() if n.startswith(("TF_", "CHECKPOINT_"))}
    own["TF_DATA_DIR"] += "-bootstrap"  # another root, with another backend
    configuration = replace(
        terraform,
        directory=terraform.directory / "bootstrap",
        environment=account.environment(os.environ) | own,
        variables=("-var=github_repository=example@123456/pipeline@456789", "-var=max_retries=2"),
    )
    configuration.run("init")
    return configuration


def test_its_own_tests_pass_without_aws(bootstrap):
    foreign = {n: v for n, v in bootstrap.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(bootstrap, environment=foreign | offline).run("test")


@pytest.fixture(scope="module")
def outputs(bootstrap):
    """Apply once; return the outputs by name."""
    return bootstrap.apply()


def test_one_apply_creates_what_a_deployment_needs(bootstrap, account, outputs):
    s3, ecr, iam = (boto3.client(name, endpoint_url=account.url) for name in ("s3", "ecr", "iam"))

    assert bootstrap.changes() == {}
    assert s3.get_bucket_versioning(Bucket=outputs["state_bucket"])["Status"] == "Enabled"
    [repository] = ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["repositoryUri"] == outputs["repository_url"]
    assert outputs["github_roles"].keys() == {"build", "plan", "dev", "staging", "prod"}
    for arn in outputs["github_roles"].values():
        iam.get_role(RoleName=arn.rpartition("/")[2])
    for arn in outputs["permissions_boundaries"].values():
        iam.get_policy(PolicyArn=arn)


def test_aws_accepts_every_resource_and_policy(bootstrap, outputs):
    assert outputs
    resources = planned(json.loads(bootstrap.plan_document().read_text("utf-8")))

    assert refused(resources) + too_large(resources) + ineffective(resources) == []
    assert unread(resources) == []


def test_the_services_models_allow_every_request(account, outputs):
    assert outputs
    assert account.violations() == []


@pytest.fixture(scope="module")
def policies(bootstrap, outputs):
    """Return the statements of every policy, by address."""
    assert outputs
    return {
        address: statements_of(json.loads(values["policy"]))
        for address, values in bootstrap.resources().items()
        if address.startswith(("aws_iam_policy.", "aws_iam_role_policy."))
    }


def test_the_plan_role_may_read_all_that_a_plan_reads(aws, applied, policies):
    before = asked(aws)
    assert applied.terraform.changes() == {}
    reads = asked(aws) - before

    allowed = policies['aws_iam_role_policy.plan["plan"]']
    found = actions(reads) - OF_WORKERS
    assert {action for action in found if not may(allowed, action)} == set()
    assert "cloudwatch:GetDashboard" in actions(reads)


def test_a_deploy_role_may_ask_for_all_that_an_apply_asks_for(applied, policies):
    allowed = policies['aws_iam_policy.deploy["deploy-dev"]']
    found = actions(applied.requests)
    assert {action for action in found if not may(allowed, action)} == set()
    assert "iam:CreateRole" in found


def test_the_boundary_leaves_every_role_of_an_environment_what_its_policies_grant(
    applied, policies
):
    within = policies['aws_iam_policy.boundary["dev"]']
    granted = {
        action
        for values in applied.resources.values()
        if "policy" in values and "role" in values
        for statement in statements_of(json.loads(values["policy"]))
        for action in listed(statement["Action"])
    }
    granted.remove("iam:PassRole")  # on a condition: the schedule of the reconciliation
    assert {action for action in granted if not may(within, action)} == set()
    assert "sqs:ReceiveMessage" in granted


def actions(requests):
    """Return the IAM actions of requests."""
    found = {action_of(*each) for each in requests if each[0] != "sts"}
    return {S3_ACTIONS.get(action, action) for action in found}


def action_of(service, operation):
    prefix = {"monitoring": "cloudwatch"}.get(service, service)
    if " " not in operation:
        return f"{prefix}:{operation}"
    method, path = operation.split(" ", 1)
    if service == "apigateway":  # whose actions are methods
        return f"{prefix}:{method}"
    request = Request("", "", service, "rest", operation, "", b"")
    known = operations.read(request, {"PATH_INFO": path, "REQUEST_METHOD": method})
    return f"{prefix}:{known.operation.name}"


def may(statements, action):
    """Return whether statements allow an action on a resource of dev."""
    arns = {
        "iam": ROLE,
        "ecr": f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/{NAME}",
        "s3": f"arn:aws:s3:::dev-{NAME}-archive-{ACCOUNT}",
    }
    resource = arns.get(action.partition(":")[0], "*")
    call = Call(action, resource, context={"iam:permissionsboundary": BOUNDARY})
    return verdict(call, identity=statements) == "allowed"
