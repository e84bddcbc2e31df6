"""What can be said of the configuration without making anything."""

from dataclasses import replace

import pytest

from infra import checkov


def test_it_is_formatted(terraform):
    assert terraform.run("fmt", "-check", "-recursive", "-diff", accept=(0, 3)) == ""


def test_it_is_valid(terraform):
    terraform.run("validate")


def test_its_own_tests_pass_without_aws(terraform):
    foreign = {n: v for n, v in terraform.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(terraform, environment=foreign | offline).run("test")


def test_checkov_finds_nothing_without_a_reason(terraform, program):
    assert checkov.findings(program, "terraform", "--directory", terraform.directory) == []


def test_checkov_finds_nothing_in_what_is_made_either(applied, program):
    plan = applied.terraform.plan_document()
    enrich = ("--repo-root-for-plan-enrichment", applied.terraform.directory)
    assert checkov.findings(program, "terraform_plan", "--file", plan, *enrich) == []


@pytest.fixture(scope="session")
def program(had):
    return had(checkov.command)
