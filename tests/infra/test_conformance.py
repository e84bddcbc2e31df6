"""AWS would accept the resources and policies of dev as applied, and every request.

The embedded AWS accepts what AWS refuses. These tests compare the plan with CloudFormation's
resource schemas, the grammar of policies and AWS's limits, and the requests with the SDK's models.
test_static.py does the same with the plans of staging and prod. test_planted_mistakes.py and
unit/local/test_conformance.py show that mistakes are found.
"""

import json

import boto3
import pytest

from infra.conformance.conditions import ineffective
from infra.conformance.linting import refused
from infra.conformance.plan import planned
from infra.conformance.policies import too_large, unread

# Adopts a key that exists, so that the plan knows its ARN and with it every policy.
ADOPT = """import {{
  to = aws_kms_key.messaging["this"]
  id = "{key}"
}}
"""

# Only here the definition of its container is known: that of the service has the queue's URL.
IMAGE = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/adot@sha256:{'0123456789abcdef' * 4}"
COLLECTOR = f'-var=tracing={{image="{IMAGE}"}}'


@pytest.fixture(scope="session")
def resources(applied):
    """List the resources after the apply, with a key of ours and collectors of traces planned."""
    key = boto3.client("kms").create_key(KeyUsage="ENCRYPT_DECRYPT")
    adoption = applied.terraform.directory / "adopt.tf"
    adoption.write_text(ADOPT.format(key=key["KeyMetadata"]["KeyId"]), "utf-8")
    try:
        plan = applied.terraform.plan_document("-var=customer_managed_key=true", COLLECTOR)
    finally:
        adoption.unlink()
    return planned(json.loads(plan.read_text("utf-8")))


def test_aws_accepts_every_resource_and_policy(resources):
    assert refused(resources) == []


def test_no_policy_is_larger_than_aws_accepts(resources):
    assert too_large(resources) == []


def test_requests_meet_the_conditions_of_every_policy(resources):
    assert ineffective(resources) == []


def test_every_policy_is_checked(resources):
    assert unread(resources) == []


def test_the_services_models_allow_every_request(aws, stories, destroyed):
    assert stories
    assert destroyed

    violations = aws.violations()

    assert violations == []
