"""Each alarm has a page in docs/runbooks, and every command in a page can be typed as it stands."""

import re
from pathlib import Path

import botocore
import botocore.session
import pytest
from support.runbooks import PAGES, Command, WrongUsage, commands_of, parse

from local import alerts

ROOT = Path(__file__).parents[2]
ALARMS = alerts.load()
OPERATIONS = {"deploy", "drain", "replay", "restore", "roll-back", "rotate-secrets"} | {
    "forged-events",
    "sign-events",
}
PAGE_NAMES = sorted(path.stem for path in PAGES.glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SDK = botocore.session.get_session()
# Options of every command of the AWS CLI, and commands that are no operation of a service.
CLI_OPTIONS = {"max-items", "output", "query", "region"}
CLI_COMMANDS = {("logs", "tail")}


def commands(program):
    return [
        pytest.param(command, id=f"{page}: {command.text}")
        for page in PAGE_NAMES
        for command in commands_of(page, program)
    ]


def test_there_is_a_page_for_every_alarm_and_for_every_operation():
    assert set(PAGE_NAMES) - {"README"} == {*ALARMS, *OPERATIONS}


@pytest.mark.parametrize("page", sorted(ALARMS))
def test_the_page_of_an_alarm_says_what_is_safe_what_to_do_and_when_it_is_over(page):
    text = (PAGES / f"{page}.md").read_text("utf-8")
    assert text.startswith(f"# {page}\n")
    assert "**Safe" in text
    assert "## Do\n" in text or "**Do**" in text
    assert text.index("## It is over when\n")


def test_the_list_of_pages_names_each_page():
    listed = set(re.findall(r"\]\(([a-z-]+)\.md\)", (PAGES / "README.md").read_text("utf-8")))
    assert listed == set(PAGE_NAMES) - {"README"}


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_a_link_in_a_page_leads_to_a_file(page):
    text = (PAGES / f"{page}.md").read_text("utf-8")
    targets = set(re.findall(r"\]\((?!https?:)([^)#]+)", text))
    assert [target for target in sorted(targets) if not (PAGES / target).exists()] == []


@pytest.mark.parametrize("command", commands("workers"))
def test_a_command_of_ours_parses(command):
    parse(command)


@pytest.mark.parametrize(
    "line", ["workers dlq lst payment", "workers queues --jsn", "workers dlq redrive"]
)
def test_the_check_notices_a_wrong_command(line):
    _, *arguments = line.split()
    with pytest.raises(WrongUsage):
        parse(Command(line, "workers", arguments))


@pytest.mark.parametrize("command", commands("make"))
def test_a_target_of_make_and_its_variables_exist(command):
    target, *variables = command.arguments
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    for variable in variables:
        assert re.search(rf"^{variable.partition('=')[0]}\s+[?]=", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("command", commands("aws"))
def test_a_command_of_the_aws_cli_exists_with_its_options(command):
    service, operation, *rest = command.arguments
    options = {word[2:] for word in rest if word.startswith("--")} - CLI_OPTIONS
    if (service, operation) in CLI_COMMANDS:
        return
    if operation == "wait":
        model = SDK.get_waiter_model(service)
        waiter = "".join(word.title() for word in rest[0].split("-"))
        operation = dashed(model.get_waiter(waiter).operation)
    known = SDK.get_service_model(service)
    by_name = {dashed(name): name for name in known.operation_names}
    shape = known.operation_model(by_name[operation]).input_shape
    members = {dashed(name): name for name in shape.members}
    flags = {f"no-{name}" for name in members}
    assert options <= members.keys() | flags
    # the names that the service requires
    assert {dashed(name) for name in shape.required_members} <= options


def dashed(name):
    return botocore.xform_name(name, "-")
