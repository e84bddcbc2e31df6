"""A state is refused for another environment, account or region."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TERRAFORM = Path(__file__).parents[2] / "terraform"
# These need no provider, so a plan takes a fifth of a second.
FILES = ("variables.tf", "state.tf")
DEV = {
    "account_id": "123456789012",
    "environment": "dev",
    "jwt_keys": '{"keys": [{}]}',
    "operations_email": "operations@example.com",
    "sender_email": "orders@example.com",
}
OTHERS = {
    "environment": {"environment": "prod"},
    "account": {"account_id": "210987654321"},
    "region": {"region": "eu-west-2", "availability_zones": '["eu-west-2a", "eu-west-2b"]'},
}

pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NOT TESTED: that Terraform refuses a foreign state. Install Terraform 1.11+.",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a directory with the state of dev."""
    directory = tmp_path_factory.mktemp("state")
    for name in FILES:
        shutil.copy(TERRAFORM / name, directory)
    assert run(directory, "apply", "-auto-approve").returncode == 0
    return directory


def run(folder, *command, **others):
    given = [f"-var={name}={value}" for name, value in (DEV | others).items()]
    return subprocess.run(  # noqa: S603 - our own arguments
        ["terraform", *command, "-no-color", *given],  # noqa: S607 - wherever it is installed
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_environment_that_made_a_state_may_change_it(folder):
    assert run(folder, "plan", "-detailed-exitcode").returncode == 0


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("command", [("plan",), ("plan", "-destroy")], ids=["apply", "destroy"])
def test_a_state_made_for_another_one_is_refused(folder, command, other):
    refused = run(folder, *command, **other)
    said = " ".join(refused.stderr.split())

    assert refused.returncode == 1
    assert "This is the state of dev in eu-west-1, account 123456789012" in said
    environment = other.get("environment", "dev")
    assert f"-backend-config=environments/{environment}.s3.tfbackend" in said


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_each_environment_has_a_state_of_its_own(environment):
    backend = (TERRAFORM / "environments" / f"{environment}.s3.tfbackend").read_text("utf-8")
    variables = (TERRAFORM / "environments" / f"{environment}.tfvars").read_text("utf-8")

    assert f'key          = "order-pipeline/{environment}.tfstate"' in backend
    assert "use_lockfile = true" in backend
    assert "account_id" in variables
    assert "image_tag" not in variables  # an apply would deploy it


def test_no_output_holds_a_secret():
    """Outputs are in the state in plain text, and in the log of whoever prints them."""
    files = [path for path in TERRAFORM.rglob("outputs.tf") if ".terraform" not in path.parts]
    secret = re.compile(
        r"client_secret|password|private_key|secret_string|random_|\bssm_parameter\.\w+\.value"
    )

    found = [
        f"{path.relative_to(TERRAFORM)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if secret.search(line) and not line.lstrip().startswith(("description", "#"))
    ]

    assert len(files) >= 3
    assert found == []
