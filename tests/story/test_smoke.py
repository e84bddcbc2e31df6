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


def test_an_order_with_the_wrong_final_state_fails_the_test(system, monkeypatch):
    monkeypatch.setattr(smoke, "PATIENCE", 3.0)
    system.processes.scale("inventory", 0)

    code, verdicts = smoked(system)

    assert code == 1
    assert verdicts["success"] == "FAILED, expected confirmed, completed, reserved, -"


def test_an_unreachable_address_fails_the_test_in_one_line(system, monkeypatch):
    assert system.api_url
    monkeypatch.setattr(smoke, "START_PATIENCE", 1.0)
    result = CliRunner().invoke(cli.build(), ["smoke", "--api", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr.startswith("workers: http://127.0.0.1:1/orders: ")
    assert result.stderr.count("\n") == 1
