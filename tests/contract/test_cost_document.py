"""The table in docs/COST.md matches the output of ``workers cost``."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli import build

COST = (Path(__file__).parents[2] / "docs" / "COST.md").read_text("utf-8")
TABLE = re.search(r"<!-- cost -->\n(.*?)<!-- /cost -->", COST, re.DOTALL)[1]
ROWS = [line for line in TABLE.splitlines() if line.startswith("|")][2:]


def computed(rate):
    """Return the table row of a rate."""
    arguments = ["cost", "--rate", rate, "--handler-ms", "50", "--json"]
    bill = json.loads(CliRunner().invoke(build(), arguments).stdout)
    services = dict.fromkeys(("SQS", "SNS", "DynamoDB", "Fargate"), 0.0)
    for line in bill["lines"]:
        services[line["service"]] += line["batched"]["dollars_per_month"]
    dollars = [*services.values(), bill["batched"], bill["single"]]
    cells = [rate, str(bill["tasks"]), *(f"{each:,.2f}" for each in dollars)]
    return f"| {' | '.join(cells)} |"


def test_the_table_has_rows():
    assert len(ROWS) > 2


@pytest.mark.parametrize("row", ROWS)
def test_the_table_matches_the_command(row):
    assert row == computed(row.split("|")[1].strip())


def test_the_document_against_this_design_quotes_figures_of_the_others():
    root = Path(__file__).parents[2]
    quoted = re.findall(r"\$([\d,.]*\d)", (root / "docs/when-not-to-use.md").read_text("utf-8"))
    known = COST + (root / "terraform/README.md").read_text("utf-8")

    assert len(quoted) == 5
    assert [each for each in quoted if f" {each} " not in known] == []
