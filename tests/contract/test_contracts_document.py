"""The guide to changing an event: its commands parse, and its examples do what it says."""

import re
from datetime import date, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from textwrap import dedent, indent

import pytest
from support.runbooks import commands_of, parse

from workers.events import OrderShipped
from workers.ops.contracts.contract import Contract
from workers.ops.contracts.diff import changes
from workers.ops.contracts.released import FOLDER, released
from workers.ops.schema import contract

ROOT = Path(__file__).parents[2]
PAGE = "../CONTRACTS"  # from the runbooks
TEXT = (ROOT / "docs/CONTRACTS.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
ADDED, REWORDED, ANNOUNCED = (
    dedent(each) for each in re.findall(r" *```python\n(.*?)```", TEXT, re.DOTALL)
)
FIELD = re.search(r" {4}carrier: .+", ADDED)[0]
IMPORTS = """
from datetime import date
from typing import ClassVar

from workers.deprecation import deprecated, reworded
from workers.events import *
from workers.events import Id
"""
DUE = date(2027, 3, 1)


@pytest.fixture
def version_with(tmp_path):
    """Return a contract that has order.shipped as the guide prints it."""

    def load(version, field=FIELD):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(IMPORTS + ADDED.replace(FIELD, field))
        spec = spec_from_file_location(path.stem, path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return contract({"order.shipped": module.OrderShipped}, version)

    return load


def before(version="1.1"):
    return contract({"order.shipped": OrderShipped}, version)


def compare(old, new, today=date(2026, 12, 1)):
    return [(e.field, e.what.change, e.what.breaking) for e in changes([old], new, today=today)]


@pytest.mark.parametrize("command", commands_of(PAGE, "workers"), ids=lambda command: command.text)
def test_a_command_of_ours_parses(command):
    parse(command)


def test_the_guide_has_each_command_of_the_contract():
    typed = {" ".join(each.arguments[:2]) for each in commands_of(PAGE, "workers")}

    assert typed >= {"schema diff", "schema export", "schema record"}


@pytest.mark.parametrize("command", commands_of(PAGE, "make"), ids=lambda command: command.text)
def test_a_target_of_make_exists(command):
    assert re.search(rf"^{command.arguments[0]}:", MAKEFILE, re.MULTILINE)


def test_the_field_that_the_guide_adds_breaks_nobody(version_with):
    found = compare(before(), version_with("1.2"))

    assert found == [("data.carrier", "new optional field", False)]


def test_the_new_words_of_the_guide_break_nobody_and_need_no_version(version_with):
    found = compare(version_with("1.2"), version_with("1.2", indent(REWORDED, "    ")))

    assert found == [("data.carrier", "reworded; the meaning is declared unchanged", False)]


def test_the_field_that_the_guide_announces_is_removed_on_its_day(version_with):
    announced = version_with("1.3", indent(ANNOUNCED, "    "))

    (told,) = compare(version_with("1.2"), announced)
    early = compare(announced, before("1.4"), today=DUE - timedelta(days=1))
    due = compare(announced, before("1.4"), today=DUE)

    assert told[1].startswith("deprecated since 1.3, removed not before 2027-03-01")
    assert [breaking for _, _, breaking in (told, *early, *due)] == [False, True, False]


def test_each_recorded_version_keeps_what_the_earlier_ones_promised():
    recorded = sorted(released(str(ROOT / FOLDER)), key=lambda each: each.number)

    for n, each in enumerate(recorded[1:], start=1):
        found = changes(recorded[:n], each, today=date.max)
        assert [change for change in found if change.what.breaking] == [], each.version


def test_a_recorded_contract_is_written_as_it_is_read():
    for path in sorted((ROOT / FOLDER).iterdir()):
        text = path.read_text("utf-8")
        assert Contract.parse(text, path).text() == text
        assert Contract.parse(text, path).version == path.stem
