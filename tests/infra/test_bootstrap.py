"""The configuration of the account applies, and its own tests pass."""

import json
import os
from dataclasses import replace

import boto3
import pytest

from local.aws.embedded import EmbeddedAws

NAME = "order-pipeline"


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Run an empty embedded AWS: the other tests' one may have a registry."""
    with EmbeddedAws(log=tmp_path_factory.mktemp("account") / "aws.txt") as aws:
        yield aws


@pytest.fixture(scope="module")
def bootstrap(terraform, account):
    """Return the initialised configuration of the account."""
    own = {n: v for n, v in terraform.environment.items() if n.startswith(("TF_", "CHECKPOINT_"))}
    configuration = replace(
        terraform,
        directory=terraform.directory / "bootstrap",
        environment=account.environment(os.environ) | own,
        variables=("-var=github_repository=example/pipeline", "-var=max_retries=2"),
    )
    configuration.run("init")
    return configuration


def test_its_own_tests_pass_without_aws(bootstrap):
    foreign = {n: v for n, v in bootstrap.environment.items() if not n.startswith("AWS_")}
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_EC2_METADATA_DISABLED": "true"}
    replace(bootstrap, environment=foreign | offline).run("test")


def test_one_apply_creates_what_a_deployment_needs(bootstrap, account):
    bootstrap.run("apply", "-auto-approve", *bootstrap.variables)
    outputs = json.loads(bootstrap.run("output", "-json"))
    told = {name: each["value"] for name, each in outputs.items()}
    s3, ecr, iam = (boto3.client(name, endpoint_url=account.url) for name in ("s3", "ecr", "iam"))

    assert bootstrap.changes() == {}
    assert s3.get_bucket_versioning(Bucket=told["state_bucket"])["Status"] == "Enabled"
    [repository] = ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["repositoryUri"] == told["repository_url"]
    assert told["github_roles"].keys() == {"build", "plan", "dev", "staging", "prod"}
    for arn in told["github_roles"].values():
        iam.get_role(RoleName=arn.rpartition("/")[2])
    for arn in told["permissions_boundaries"].values():
        iam.get_policy(PolicyArn=arn)
