"""Terraform and the code read the same map in the same way, and refuse it in the same words."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.maps import broken_maps

from workers.topology import Service, Topology

TERRAFORM = Path(__file__).parents[2] / "terraform"
# These need no provider, so that a plan takes a fifth of a second.
FILES = ("variables.tf", "topology.tf", "rules.tf")
OF_NO_MATTER = {
    "environment": "dev",
    "image_tag": "v1",
    "sender_email": "orders@example.com",
    "operations_email": "operations@example.com",
}

pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None,
    reason="NOT TESTED: that Terraform refuses what the code refuses. Install Terraform 1.11+.",
)


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        shutil.copy(TERRAFORM / name, tmp_path)
    return tmp_path


def run(folder, *arguments, **options):
    return subprocess.run(  # noqa: S603 - our own arguments
        ["terraform", *arguments],  # noqa: S607 - wherever it is installed
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def variables(folder, topology):
    (folder / "map.json").write_text(json.dumps(topology))
    given = OF_NO_MATTER | {"topology_file": "map.json"}
    return [f"-var={name}={value}" for name, value in given.items()]


def said(folder, topology):
    """Plan with a map and list what Terraform says against it."""
    plan = run(folder, "plan", "-json", *variables(folder, topology))
    lines = [json.loads(line) for line in plan.stdout.splitlines()]
    return [line["diagnostic"]["detail"] for line in lines if line["type"] == "diagnostic"]


@pytest.mark.parametrize(
    ("topology", "sentence"), [pytest.param(*rest, id=rule) for rule, *rest in broken_maps()]
)
def test_terraform_refuses_a_broken_map_in_the_words_of_the_code(folder, topology, sentence):
    assert said(folder, topology) == [sentence]


def test_terraform_accepts_the_map_that_ships(folder):
    shipped = json.loads((TERRAFORM.parent / "workers" / "topology.json").read_text("utf-8"))

    assert said(folder, shipped) == []


def test_a_file_that_is_no_json_is_refused(folder):
    (folder / "broken.json").write_text("{")
    given = OF_NO_MATTER | {"topology_file": "broken.json"}

    plan = run(folder, "plan", "-no-color", *(f"-var={k}={v}" for k, v in given.items()))

    assert plan.returncode == 1
    assert "topology_file: cannot be read, or is not JSON." in plan.stderr


def test_what_a_service_does_not_say_is_the_same_for_terraform(folder):
    small = {"consumes": ["order.created"], "publishes": ["order.created"], "table": "orders"}
    topology = {
        "topic": "order-events",
        "events": ["order.created"],
        "tables": {"orders": {"outbox": True}},
        "services": {"shipping": small},
    }

    answer = run(
        folder,
        "console",
        *variables(folder, topology),
        input="jsonencode(local.services.shipping)\n",
    )

    filled = json.loads(json.loads(answer.stdout))
    expected = Topology.parse(json.dumps(topology)).services["shipping"]
    assert {field: filled[field] for field in Service.model_fields} == expected.model_dump(
        mode="json"
    )
