"""AWS would accept the resources and policies of dev as applied, and every request.

The embedded AWS accepts what AWS refuses. These tests compare the plan with CloudFormation's
resource schemas, the grammar of policies and AWS's limits, and the requests with the SDK's models.
test_static.py does the same with the plans of staging and prod. test_planted_mistakes.py and
unit/local/test_conformance.py show that mistakes are found.
"""

import json

import pytest

from infra.conformance.linting import refused
from infra.conformance.plan import planned
from infra.conformance.policies import too_large


@pytest.fixture(scope="session")
def resources(applied):
    """List the resources after the apply, with a customer-managed key planned."""
    plan = applied.terraform.plan_document("-var=customer_managed_key=true")
    return planned(json.loads(plan.read_text("utf-8")))


def test_aws_accepts_every_resource_and_policy(resources):
    assert refused(resources) == []


def test_no_policy_is_larger_than_aws_accepts(resources):
    assert too_large(resources) == []


def test_the_services_models_allow_every_request(aws, stories, destroyed):
    assert stories
    assert destroyed

    violations = aws.violations()

    assert violations == []
