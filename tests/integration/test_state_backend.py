"""Outside development, Terraform refuses a backend that does not encrypt the state."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest

TERRAFORM = Path(__file__).parents[2] / "terraform"
BACKENDS = sorted((TERRAFORM / "environments").glob("*.s3.tfbackend"))
STAGES = {"dev": "development", "staging": "staging", "prod": "production"}
# These need no provider.
FILES = ("variables.tf", "state.tf")

terraform_is_installed = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NOT TESTED: that Terraform refuses a state in plain text. Install Terraform 1.11+.",
)


@pytest.fixture(scope="module")
def environment(aws):
    """Create the bucket of the states; return the environment of Terraform's commands."""
    found = re.search(r'bucket += "(.*)"', BACKENDS[0].read_text("utf-8"))
    boto3.client("s3").create_bucket(
        Bucket=found[1], CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    return aws.environment(os.environ) | {"AWS_S3_USE_PATH_STYLE": "true"}


@pytest.fixture
def planned(environment, tmp_path):
    """Initialise the backend, and return the errors of a plan; None without any."""

    def run(*command):
        return subprocess.run(  # noqa: S603 - our own arguments
            ["terraform", *command, "-no-color", "-input=false"],  # noqa: S607 - wherever it is
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def planned(name, stage, *, backend="s3", encrypt="true"):
        for file in FILES:
            shutil.copy(TERRAFORM / file, tmp_path)
        (tmp_path / "backend.tf").write_text(f'terraform {{\n  backend "{backend}" {{}}\n}}\n')
        arguments = [f"-backend-config={TERRAFORM / 'environments' / f'{name}.s3.tfbackend'}"]
        arguments += [f"-backend-config=encrypt={encrypt}", "-backend-config=use_path_style=true"]
        initialised = run("init", *(arguments if backend == "s3" else []))
        assert initialised.returncode == 0, initialised.stderr
        given = {
            "account_id": "123456789012",
            "environment": name,
            "internet": "nat-only",
            "operations_email": "operations@example.com",
            "sender_email": "orders@example.com",
            "stage": stage,
        }
        done = run(
            "plan", "-lock=false", *(f"-var={name}={value}" for name, value in given.items())
        )
        return None if done.returncode == 0 else " ".join(done.stderr.split())

    return planned


@terraform_is_installed
@pytest.mark.parametrize(
    "backend", [{"encrypt": "false"}, {"backend": "local"}], ids=["unencrypted", "local"]
)
@pytest.mark.parametrize("name", ["staging", "prod"])
def test_a_state_in_plain_text_is_refused_outside_development(planned, name, backend):
    refused = planned(name, STAGES[name], **backend)

    assert "this backend does not encrypt it" in refused
    assert f"environments/{name}.s3.tfbackend" in refused


@terraform_is_installed
@pytest.mark.parametrize("name", STAGES)
def test_the_backend_of_each_environment_is_accepted(planned, name):
    assert planned(name, STAGES[name]) is None


@terraform_is_installed
def test_development_may_keep_its_state_as_it_likes(planned):
    assert planned("dev", "development", backend="local") is None


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda path: path.name)
def test_each_backend_encrypts_and_locks(backend):
    lines = dict(re.findall(r"^(\w+) += (.*)$", backend.read_text("utf-8"), re.MULTILINE))

    assert (lines["encrypt"], lines["use_lockfile"]) == ("true", "true")


@pytest.mark.parametrize("name", STAGES)
def test_each_environment_says_what_it_is_for(name):
    text = (TERRAFORM / "environments" / f"{name}.tfvars").read_text("utf-8")

    assert re.search(r'^stage += "(.*)"$', text, re.MULTILINE)[1] == STAGES[name]
