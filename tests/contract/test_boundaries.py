"""Every role of an environment has the permissions boundary that the deploy role requires."""

import re
from pathlib import Path

import pytest

TERRAFORM = Path(__file__).parents[2] / "terraform"
ROLES = [
    pytest.param(role[2], id=f"{path.parent.name}/{role[1]}")
    for path in (*TERRAFORM.glob("*.tf"), *TERRAFORM.glob("modules/*/*.tf"))
    for role in re.finditer(
        r'^resource "aws_iam_role" "(\w+)" \{\n(.*?)^\}',
        path.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
]


@pytest.mark.parametrize("role", ROLES)
def test_a_deployment_may_create_the_role(role):
    assert re.search(r"permissions_boundary += (local|var)\.permissions_boundary\n", role)


def test_the_roles_are_found():
    assert len(ROLES) >= 4
