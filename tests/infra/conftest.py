"""Applies Terraform's configuration once for all tests, and runs its tasks."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from infra import checkov
from infra.stories import play
from local.issuer import DevelopmentIssuer
from local.rehearsal.deployed import Deployed
from local.rehearsal.fargate import Fargate
from local.rehearsal.registry import create_registry
from local.rehearsal.roles import ACCOUNT
from local.rehearsal.terraform import Missing, Terraform

PREFIX = "dev-"
IMAGE_TAG = "0123abc"
ON_CALL = f"arn:aws:iam::{ACCOUNT}:role/on-call"  # may assume the operator role


def pytest_collection_modifyitems(items):
    """Run the test of destroy last."""
    items.sort(key=lambda item: "destroyed" in item.fixturenames)
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.infra)
            item.add_marker(pytest.mark.timeout(1_800))


@pytest.fixture(scope="session")
def had():
    """Return a function that creates a fixture, and skips or fails if its program is missing."""

    def make_or_skip(make):
        try:
            return make()
        except Missing as missing:
            if os.environ.get("INFRA") == "required":
                pytest.fail(str(missing))
            pytest.skip(f"NOT tested: {missing}")

    return make_or_skip


@pytest.fixture(scope="session")
def secrets(aws):
    """Create a secret and a parameter for payment; return references by environment variable.

    At the end, checks the requests of this process: pytest-xdist runs several, each with its own
    embedded AWS, and test_conformance.py runs in one of them.
    """
    aws.check_requests()
    document = json.dumps({"key": "key-1", "other": "secret"})
    secret = boto3.client("secretsmanager").create_secret(Name="gateway", SecretString=document)
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/gateway/url", Value="url-1", Type="SecureString")
    url = ssm.get_parameter(Name="/gateway/url")["Parameter"]["ARN"]
    yield {"GATEWAY_KEY": f"{secret['ARN']}:key::", "GATEWAY_URL": url}
    assert aws.violations() == []


@pytest.fixture(scope="session")
def terraform(aws, had, secrets, tmp_path_factory):
    """Return the initialised configuration for dev."""
    directory = tmp_path_factory.mktemp("infra")
    given = {
        "image_tag": IMAGE_TAG,
        "internet": "none",  # with the endpoints, whose policies are tested
        "jwt_keys": DevelopmentIssuer().document(),
        "max_retries": 2,
        "operators": json.dumps([ON_CALL]),
        "services": json.dumps({"payment": {"secrets": secrets}}),
    }
    return had(lambda: Terraform.copy(directory, aws.environment(os.environ), **given))


@pytest.fixture(scope="session")
def checkov_program(had):
    """Return the start of checkov's command line."""
    return had(checkov.command)


@dataclass
class Applied:
    """The result of an apply."""

    terraform: Terraform
    outputs: dict
    resources: dict  # attributes by address
    requests: Counter  # of the apply, by service and operation


@pytest.fixture(scope="session")
def image_tag(aws):
    """Create the registry with an image; return the image's tag."""
    assert aws.url
    create_registry(IMAGE_TAG)
    return IMAGE_TAG


@pytest.fixture(scope="session")
def applied(aws, terraform, image_tag):
    """Apply once."""
    assert image_tag
    before = asked(aws)
    outputs = terraform.apply()
    return Applied(terraform, outputs, terraform.resources(), asked(aws) - before)


def asked(aws):
    """Count the requests so far, by service and operation."""
    return Counter(
        {
            (service, operation): count
            for service, operations in aws.requests()["services"].items()
            for operation, count in operations.items()
        }
    )


@pytest.fixture(scope="session")
def deployed(aws, applied, tmp_path_factory):
    """Run the tasks that ECS should run."""
    directory = tmp_path_factory.mktemp("tasks")
    with Fargate(aws.url, applied.outputs["cluster"], directory) as fargate:
        fargate.reconcile()
        yield Deployed(aws, fargate, directory, PREFIX)


@dataclass
class Stories:
    """The results of the scenarios."""

    result: object  # of the demo
    handled: dict  # messages by task of payment
    rights: list  # that roles have used, see EmbeddedAws.rights


@pytest.fixture(scope="session")
def stories(aws, deployed):
    """Play every scenario, with two tasks of payment."""
    deployed.processes.scale("payment", 2)
    result, handled = play(deployed, orders=30)
    return Stories(result, handled, aws.rights())


@pytest.fixture(scope="session")
def destroyed(applied, deployed):
    """Destroy everything; no test can follow."""
    codes = deployed.processes.stop()
    assert set(codes.values()) == {0}
    applied.terraform.destroy()
    return applied.terraform
