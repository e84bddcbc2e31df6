"""The smoke test passes on a working system, and names what is broken in another."""

import json

import pytest
from typer.testing import CliRunner

from local.system import System
from workers import cli
from workers.ops import smoke
from workers.provision.provision import provision

pytestmark = [pytest.mark.story, pytest.mark.timeout(300)]
PIECES = 100


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with System(tmp_path_factory.mktemp("logs")) as system:
        provision(system.settings, system.topology, stock=PIECES)
        yield system


def smoked(system, *options):
    """Run the command; return its exit code and the verdicts by scenario."""
    result = CliRunner().invoke(cli.build(), ["smoke", "--api", system.api_url, "--json", *options])
    return result.exit_code, {row["scenario"]: row["verdict"] for row in json.loads(result.stdout)}


def test_a_working_system_passes(system):
    assert smoked(system) == (
        0,
        {
            "success": "ok",
            "business failure": "ok",
            "refund before shipping": "ok",
            "technical failure": "ok",
        },
    )


def test_each_step_is_told_at_once_and_json_stays_one_document(system):
    result = CliRunner().invoke(cli.build(), ["smoke", "--api", system.api_url, "--json"])
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines[0] == f"workers: placing 4 orders at {system.api_url}"
    assert any(line.startswith("workers: success: confirmed, completed") for line in lines)


def test_a_system_that_simulates_nothing_plays_what_is_possible(system):
    system.processes.restart("order-api", {"ALLOW_SIMULATION": "false"})
    try:
        code, verdicts = smoked(system)
    finally:
        system.processes.restart("order-api", {"ALLOW_SIMULATION": "true"})

    skipped = "skipped: this system simulates nothing"
    assert (code, verdicts["success"], verdicts["refund before shipping"]) == (0, "ok", "ok")
    assert verdicts["business failure"] == verdicts["technical failure"] == skipped


def test_an_order_with_the_wrong_final_state_fails_the_test(system, monkeypatch):
    monkeypatch.setattr(smoke, "PATIENCE", 3.0)
    system.processes.scale("inventory", 0)

    code, verdicts = smoked(system)

    assert code == 1
    assert verdicts["success"] == "FAILED, expected confirmed, completed, reserved, -"
