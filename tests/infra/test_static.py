"""The configuration passes every check that needs no apply."""

import json
import os
from dataclasses import replace

import pytest

from infra import checkov
from infra.conformance.conditions import ineffective
from infra.conformance.linting import refused
from infra.conformance.plan import planned
from infra.conformance.policies import too_large
from local.rehearsal.terraform import Failed, Terraform

# A collector of traces, so that its container, its permissions and its endpoint are planned too.
IMAGE = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/adot@sha256:{'0123456789abcdef' * 4}"
COLLECTOR = f'-var=tracing={{image="{IMAGE}"}}'


def test_the_configuration_is_formatted(terraform):
    assert terraform.run("fmt", "-check", "-recursive", "-diff", accept=(0, 3)) == ""


def test_the_configuration_is_valid(terraform):
    terraform.run("validate")


def test_the_configurations_own_tests_pass_without_aws(terraform):
    foreign = {n: v for n, v in terraform.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(terraform, environment=foreign | offline).run("test")


def test_credentials_of_another_account_are_refused(terraform):
    with pytest.raises(Failed, match="AWS account ID not allowed: 123456789012"):
        terraform.run("plan", *terraform.variables, "-var=account_id=210987654321")


def test_checkov_finds_nothing_that_is_not_waived_with_a_reason(terraform, checkov_program):
    directory = ("--directory", terraform.directory)
    assert checkov.findings(checkov_program, "terraform", *directory) == []


EDGE = {
    "domain": "orders.example.com",
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/abc",
    "rate_limit": 5_000,
    "origin_keys": ["new", "old"],
}
API_DOMAIN = {
    "name": "orders.example.com",
    "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/abc",
}


@pytest.mark.parametrize(
    "switches",
    [
        {
            "var_file": "staging",
            "api_domain": json.dumps(API_DOMAIN),
            "internet": "nat-only",
            "customer_managed_key": "true",
            "large_payloads": "true",
        },
        # and a NAT gateway in each zone
        {"var_file": "prod", "edge": json.dumps(EDGE), "dns_firewall": "{}"},
        {"var_file": "dev", "enable_execute_command": "true"},
    ],
    ids=["staging", "prod", "dev"],
)
def test_aws_accepts_every_planned_resource_of(aws, had, image_tag, tmp_path, switches):
    given = {"image_tag": image_tag} | switches
    terraform = had(lambda: Terraform.copy(tmp_path, aws.environment(os.environ), **given))

    resources = planned(json.loads(terraform.plan_document(COLLECTOR).read_text("utf-8")))

    assert refused(resources) + too_large(resources) + ineffective(resources) == []
