"""``workers cost`` prints a bill."""

import json

import pytest
from typer.testing import CliRunner

from workers.cli import USAGE, build


def run(*arguments):
    return CliRunner().invoke(build(), ["cost", *arguments])


def test_it_prints_the_bill_and_its_assumptions():
    answer = run("--rate", "50", "--handler-ms", "50")

    assert answer.exit_code == 0
    assert "Fargate" in answer.stdout
    assert "https://" in answer.stdout


def test_json_is_one_document():
    answer = run("--rate", "50", "--handler-ms", "50", "--region", "us-east-1", "--json")

    assert {"tasks", "lines", "batched", "single", "assumptions"} <= json.loads(
        answer.stdout
    ).keys()


@pytest.mark.parametrize(
    "wrong", [["--rate", "0"], ["--rate", "-1"], ["--region", "mars"], ["--payload-kib", "300"]]
)
def test_impossible_input_is_a_usage_error(wrong):
    answer = run("--rate", "50", "--handler-ms", "50", *wrong)

    assert answer.exit_code == USAGE
    assert answer.stderr.startswith("workers: ")
