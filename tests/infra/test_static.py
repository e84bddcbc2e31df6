"""The configuration passes every check that needs no apply."""

from dataclasses import replace

from infra import checkov


def test_the_configuration_is_formatted(terraform):
    assert terraform.run("fmt", "-check", "-recursive", "-diff", accept=(0, 3)) == ""


def test_the_configuration_is_valid(terraform):
    terraform.run("validate")


def test_the_configurations_own_tests_pass_without_aws(terraform):
    foreign = {n: v for n, v in terraform.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(terraform, environment=foreign | offline).run("test")


def test_checkov_finds_nothing_that_is_not_waived_with_a_reason(terraform, checkov_program):
    directory = ("--directory", terraform.directory)
    assert checkov.findings(checkov_program, "terraform", *directory) == []
