"""What can be said of the configuration without making anything."""

from dataclasses import replace

from infra import checkov


def test_it_is_formatted(terraform):
    assert terraform.run("fmt", "-check", "-recursive", "-diff", accept=(0, 3)) == ""


def test_it_is_valid(terraform):
    terraform.run("validate")


def test_its_own_tests_pass_without_aws(terraform):
    foreign = {n: v for n, v in terraform.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(terraform, environment=foreign | offline).run("test")


def test_checkov_finds_nothing_without_a_reason(terraform, checkov_program):
    directory = ("--directory", terraform.directory)
    assert checkov.findings(checkov_program, "terraform", *directory) == []
