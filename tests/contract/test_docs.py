"""Tables, commands, file names and links in the documents match the code."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

from local.demo import checks
from workers.cli import build
from workers.settings import Settings
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
DOCUMENTS = {
    name: (ROOT / name).read_text("utf-8")
    for name in (
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "bench/README.md",
        "terraform/README.md",
        "tests/README.md",
        *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    )
}
FOLDERS_LISTED_BY_FILE = ("support", "support/fakes", "chaos", "process", "trials", "infra")


def found_in_documents(pattern):
    """Return (document, match) for each distinct match of a pattern in a document."""
    pairs = {
        (name, m)
        for name, text in DOCUMENTS.items()
        for m in re.findall(pattern, text, re.MULTILINE)
    }
    return sorted(pairs)


def between_markers(document, name):
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", DOCUMENTS[document], re.DOTALL)[1]


def rows(document, name):
    """Return the cells of the table between two markers, without the header."""
    lines = [line for line in between_markers(document, name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def events(cell):
    return frozenset(event for event in cell.split(", ") if "." in event)


def test_the_readme_has_at_most_150_lines():
    assert len(DOCUMENTS["README.md"].splitlines()) <= 150


def test_the_table_of_services_matches_the_map():
    told = {
        service.strip("`"): (events(consumes), events(publishes))
        for service, consumes, publishes in rows("docs/CONSUMERS.md", "services")
    }

    assert told == {
        name: (service.consumes, service.publishes)
        for name, service in Topology.load().services.items()
    }


def test_the_table_of_settings_is_complete_and_names_the_defaults():
    table = rows("docs/OPERATIONS.md", "settings")
    told = {name.strip("`").lower(): default.strip("`") for name, default, _ in table}

    assert told == {
        name: ""
        if field.default is None
        else str(field.default).lower()
        if isinstance(field.default, bool)
        else str(field.default)
        for name, field in Settings.model_fields.items()
    }


def test_the_readme_ends_the_demo_with_the_checks_that_it_makes():
    shown = re.findall(r"^ok  (.+)$", between_markers("README.md", "demo"), re.MULTILINE)
    made = Path(checks.__file__).read_text("utf-8")

    assert len(shown) == 10
    assert [line for line in shown if f'"{line}"' not in made] == []


def test_the_layers_in_the_architecture_are_those_that_import_linter_checks():
    told = re.search(r"^    (cli -> .+)$", DOCUMENTS["ARCHITECTURE.md"], re.MULTILINE)[1]
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = (c for c in config["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    checked = [re.findall(r"\w+", layer.replace("workers.", "")) for layer in contract["layers"]]

    depths = [
        {depth for depth, layer in enumerate(checked) if module in layer}
        for layer in told.split(" -> ")
        for module in layer.split(" | ")
    ]

    assert all(depths), "a layer that import-linter does not know"
    assert depths == sorted(depths, key=min)


@pytest.mark.parametrize(
    ("document", "target"), found_in_documents(r"(?:^ {4}|`|&& )make ([a-z-]+)")
)
def test_a_make_target_in_a_document_exists(document, target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), document


@pytest.mark.parametrize(
    ("document", "command"),
    found_in_documents(r"^ {4}(?:\S+=\S+ )?(?:\.venv/bin/)?workers ([a-z]+(?: [a-z]+)?)"),
)
def test_a_command_in_a_document_exists(document, command):
    group = typer.main.get_command(build())
    first, *second = command.split()
    assert first in group.commands, document
    if second and hasattr(group.commands[first], "commands"):
        assert second[0] in group.commands[first].commands, document


@pytest.mark.parametrize(("document", "target"), found_in_documents(r"\]\((?!https?:)([^)#]+)"))
def test_a_link_leads_to_a_file(document, target):
    assert (ROOT / document).parent.joinpath(target).exists()


@pytest.mark.parametrize(
    ("document", "path"),
    found_in_documents(r"`((?:workers|local|bench|tests|terraform|docs)/[\w/.-]+)`"),
)
def test_a_path_in_a_document_exists(document, path):
    assert (ROOT / path).exists(), document


def test_every_folder_of_tests_is_in_their_document():
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py")} - {"."}
    assert {f for f in folders if f"`{f}`" not in DOCUMENTS["tests/README.md"]} == set()


@pytest.mark.parametrize("folder", FOLDERS_LISTED_BY_FILE)
def test_every_file_of_a_folder_is_in_the_document_of_the_tests(folder):
    files = {path.name for path in (TESTS / folder).glob("*.py")} - {"__init__.py", "conftest.py"}
    assert {f for f in files if f"`{f}`" not in DOCUMENTS["tests/README.md"]} == set()
