"""``workers capacity`` prints a plan and a run of the simulation."""

import json

import pytest
from typer.testing import CliRunner

from workers.cli import USAGE, build

SHORT = ("--ramp", "60", "--hold", "60")


def run(*arguments):
    return CliRunner().invoke(build(), ["capacity", *arguments])


def test_it_prints_services_limits_cost_and_the_simulation():
    answer = run("--orders-per-second", "2", "--peak", "20", *SHORT)

    assert answer.exit_code == 0
    for expected in ("Services", "notification", "Stripe", "https://", "SES", "Simulated", "- A"):
        assert expected in answer.stdout


def test_json_is_one_document():
    answer = run("--orders-per-second", "2", *SHORT, "--json")
    document = json.loads(answer.stdout)

    assert document.keys() == {"services", "limits", "dollarsPerMonth", "simulated"}
    assert all(limit["source"] for limit in document["limits"]["peak"])
    parts = document["dollarsPerMonth"]
    assert parts["all"] == pytest.approx(
        parts["fargate"] + parts["requests"] + parts["apiGateway"] + parts["ses"]
    )


def test_the_help_has_examples():
    assert "Examples: workers capacity --orders-per-second 50" in " ".join(
        run("--help").stdout.split()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ["--orders-per-second", "0"],
        ["--orders-per-second", "-1"],
        ["--orders-per-second", "nan"],
        ["--orders-per-second", "5", "--peak", "1"],
        ["--orders-per-second", "5", "--environment", "moon"],
        ["--orders-per-second", "5", "--region", "mars"],
        ["--orders-per-second", "5", "--ramp", "0"],
        ["--orders-per-second", "5", "--hold", "1e9"],
    ],
)
def test_impossible_input_is_a_usage_error(wrong):
    answer = run(*wrong)

    assert answer.exit_code == USAGE
    assert answer.stderr.startswith("workers: ")
