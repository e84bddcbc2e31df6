"""Every threat of docs/SECURITY.md has a control, and tests or commands that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREATS = 25
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in (ROOT / "docs" / "SECURITY.md").read_text("utf-8").splitlines()
    if re.match(r"\| \d+ \|", line)
]
CHECK = re.compile(r"`make ([a-z-]+)`|`([\w/.]+)::(\w+)`")
CHECKS = [(number, *found) for number, _, _, checks in ROWS for found in CHECK.findall(checks)]


def exists(target, path, name):
    """Tell whether a make target, a test or a run of `terraform test` exists."""
    if target:
        return re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    if not (ROOT / path).is_file():
        return False
    text = (ROOT / path).read_text("utf-8")
    declared = rf'^run "{name}"' if path.endswith(".hcl") else rf"^def {name}\("
    return re.search(declared, text, re.MULTILINE)


def test_every_threat_has_one_row_with_a_control():
    assert [int(number) for number, *_ in ROWS] == list(range(1, THREATS + 1))
    assert all(threat and control for _, threat, control, _ in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_checks_and_nothing_else(row):
    rest = CHECK.sub("", row[3]).replace("run", "").replace(",", "").strip()

    assert CHECK.search(row[3])
    assert rest == ""


@pytest.mark.parametrize(("number", "target", "path", "name"), CHECKS)
def test_a_check_exists(number, target, path, name):
    assert exists(target, path, name), number


@pytest.mark.parametrize(
    "missing",
    [
        ("nothing", "", ""),
        ("", "tests/unit/test_nothing.py", "test_a"),
        ("", "tests/unit/test_envelope.py", "test_nothing"),
        ("", "terraform/tests/api.tftest.hcl", "nothing"),
    ],
)
def test_a_check_that_does_not_exist_is_found(missing):
    assert not exists(*missing)
