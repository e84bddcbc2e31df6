"""What the documents say is what the code does."""

import re
from pathlib import Path

import pytest

from workers.settings import Settings
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def rows(name):
    """Read the table between two markers: its cells, without the header."""
    text = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_services_is_the_map():
    told = {
        service.strip("`"): (events(consumes), events(publishes))
        for service, consumes, publishes in rows("services")
    }

    assert told == {
        name: (service.consumes, service.publishes)
        for name, service in Topology.load().services.items()
    }


def events(cell):
    return frozenset(event for event in cell.split(", ") if "." in event)


def test_the_table_of_settings_is_complete_and_names_the_defaults():
    told = {name.strip("`").lower(): default.strip("`") for name, default, _ in rows("settings")}

    assert told == {
        name: ""
        if field.default is None
        else str(field.default).lower()
        if isinstance(field.default, bool)
        else str(field.default)
        for name, field in Settings.model_fields.items()
    }


@pytest.mark.parametrize("path", re.findall(r"\| `(workers/[\w/]+\.\w+)`", README))
def test_a_file_that_the_readme_names_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("target", re.findall(r"^    make (\w+)", README, re.MULTILINE))
def test_a_make_target_that_the_readme_names_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
