"""``workers schema`` compares the events with files and commits, and says what to do."""

import json
import os
import shutil
import subprocess
from datetime import date
from functools import partial

import pytest
import typer
from typer.testing import CliRunner

from workers.cli import build
from workers.envelope import VERSION
from workers.ops import schema
from workers.ops.contracts import released
from workers.ops.contracts.contract import Contract, ContractError
from workers.ops.schema import contract

NOW = contract()


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return lambda *arguments: CliRunner().invoke(build(), ["schema", *arguments])


@pytest.fixture
def git(tmp_path):
    """Run git in the folder, with no configuration of this machine."""
    program = shutil.which("git")
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def run(*arguments):
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        subprocess.run(  # noqa: S603 - our own arguments
            [program, *identity, *arguments], cwd=tmp_path, env=environment, check=True, timeout=30
        )

    run("init", "--quiet")
    return run


def without(event, path):
    """Return the contract of this version without a field of an event."""
    document = json.loads(NOW.text())
    del document["events"][event]["fields"][path]
    return Contract.parse(json.dumps(document), "test")


def with_field(event, path):
    """Return a contract with a field that this version does not have."""
    document = json.loads(NOW.text())
    document["version"] = "1.0"
    document["events"][event]["fields"][path] = {"required": True, "rules": {"type": "string"}}
    return Contract.parse(json.dumps(document), "test")


def written(path, contract_):
    path.parent.mkdir(exist_ok=True)
    path.write_text(contract_.text(), "utf-8")
    return str(path)


def test_a_contract_is_read_as_it_was_written():
    assert Contract.parse(NOW.text(), "test") == NOW


def test_events_that_did_not_change_are_fine(workers, tmp_path):
    done = workers("diff", "--against", written(tmp_path / "old.json", NOW))

    assert done.exit_code == 0
    assert done.stdout == f"no change of an event: {VERSION} against {VERSION}\n"


def test_a_breaking_change_fails_and_says_what_to_do_and_whom_to_ask(workers, tmp_path):
    old = written(tmp_path / "old.json", with_field("order.confirmed", "data.gift"))

    done = workers("diff", "--against", old)

    assert done.exit_code == 1
    head, row = done.stdout.splitlines()[:2]
    assert head.split() == ["event", "field", "change", "verdict", "instead", "ask"]
    for cell in (
        "order.confirmed",
        "data.gift",
        "removed",
        "breaking",
        "put it back and mark it as deprecated first",
        "customers, data",
    ):
        assert cell in row
    assert f"1 breaking: {VERSION} against 1.0" in done.stderr


def test_the_differences_as_json(workers, tmp_path):
    old = without("order.shipped", "data.trackingNumber").model_copy(update={"version": "1.0"})

    done = workers("diff", "--json", "--against", written(tmp_path / "old.json", old))

    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "version": VERSION,
        "against": ["1.0"],
        "breaking": 0,
        "changes": [
            {
                "event": "order.shipped",
                "field": "data.trackingNumber",
                "change": "new optional field",
                "verdict": "compatible",
                "instead": "-",
                "ask": "customers, data, warehouse",
            }
        ],
    }


def test_a_folder_of_released_contracts_is_compared_as_a_whole(workers, tmp_path):
    gift = with_field("order.confirmed", "data.gift")
    written(tmp_path / "contracts" / "1.0.json", gift)
    written(tmp_path / "contracts" / "0.9.json", gift.model_copy(update={"version": "0.9"}))
    (tmp_path / "contracts" / "notes.json").write_text("{}")

    done = workers("diff", "--json", "--against", "contracts")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["against"] == ["0.9", "1.0"]


def test_an_exported_folder_is_compared(workers):
    assert workers("export", "out").exit_code == 0
    assert workers("diff", "--against", "out").exit_code == 0


def test_a_tag_a_branch_and_a_commit_are_read_from_any_folder(workers, tmp_path, git, monkeypatch):
    file = tmp_path / "contracts" / "1.0.json"
    written(file, with_field("order.confirmed", "data.gift"))
    git("add", "contracts")
    git("commit", "--quiet", "-m", "first")
    git("tag", "v1")
    file.unlink()
    written(tmp_path / "contracts" / f"{VERSION}.json", NOW)
    git("add", "--all")
    git("commit", "--quiet", "-m", "second")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")

    assert workers("diff", "--against", "v1").exit_code == 1
    assert workers("diff", "--against", "HEAD~1").exit_code == 1
    assert workers("diff", "--against", "HEAD").exit_code == 0


def test_a_commit_without_contracts_is_a_usage_error(workers, git):
    git("commit", "--quiet", "--allow-empty", "-m", "first")

    done = workers("diff", "--against", "HEAD")

    assert done.exit_code == 2
    assert "HEAD: no contract" in done.stderr


@pytest.mark.parametrize("ref", ["v9", "--output=/etc/passwd"])
def test_a_reference_that_does_not_exist_is_a_usage_error(workers, ref, git):  # noqa: ARG001 - the folder is a repository
    done = workers("diff", f"--against={ref}")

    assert done.exit_code == 2
    assert f"{ref}: no such file or folder, nor a tag or commit here" in done.stderr


def test_without_git_the_command_asks_for_a_file(workers, monkeypatch):
    monkeypatch.setattr(released.shutil, "which", lambda _: None)

    done = workers("diff", "--against", "v1")

    assert done.exit_code == 2
    assert "v1: no such file or folder, and git is not installed" in done.stderr
    assert "name a file or a folder with exported contracts" in done.stderr


@pytest.mark.parametrize("text", ["", "{}", '{"version": "1.1", "events": {"a": 1}}', "[]"])
def test_a_file_that_is_no_contract_is_a_usage_error(workers, tmp_path, text):
    (tmp_path / "old.json").write_text(text)

    done = workers("diff", "--against", "old.json")

    assert done.exit_code == 2
    assert "old.json: not a contract of events" in done.stderr


def test_a_file_of_bytes_is_a_usage_error(workers, tmp_path):
    (tmp_path / "old.json").write_bytes(b"\xff")

    assert workers("diff", "--against", "old.json").exit_code == 2


def test_a_version_is_recorded_once_and_compared_from_then_on(workers, tmp_path):
    done = workers("record", "contracts")

    assert done.exit_code == 0
    assert (tmp_path / "contracts" / f"{VERSION}.json").read_text("utf-8") == NOW.text()
    assert workers("record", "contracts").exit_code == 0
    assert workers("diff", "--against", "contracts").exit_code == 0


def test_what_breaks_a_released_version_is_not_recorded(workers, tmp_path):
    written(tmp_path / "contracts" / "1.0.json", with_field("order.confirmed", "data.gift"))

    done = workers("record", "contracts")

    assert done.exit_code == 1
    assert "not recorded, 1 breaking" in done.stderr
    assert not (tmp_path / "contracts" / f"{VERSION}.json").exists()


def test_a_recorded_version_takes_no_other_fields(workers, tmp_path):
    file = tmp_path / "contracts" / f"{VERSION}.json"
    before = without("order.shipped", "data.trackingNumber")
    written(file, before)

    done = workers("record", "contracts")

    assert done.exit_code == 1
    assert file.read_text("utf-8") == before.text()


def test_a_recorded_version_takes_new_words(tmp_path):
    file = tmp_path / f"{VERSION}.json"
    document = json.loads(NOW.text())
    del document["events"]["order.shipped"]["fields"]["data.trackingNumber"]["meaning"]
    written(file, Contract.parse(json.dumps(document), "test"))

    released.record(tmp_path, schema.contract(), today=date(2026, 6, 1))

    assert file.read_text("utf-8") == NOW.text()


@pytest.mark.parametrize(
    ("since", "day", "problem"),
    [
        (VERSION, "2026-06-15", None),
        (VERSION, "2026-06-14", "announce the removal for 2026-06-15 or later"),
        ("99.99", "2027-01-01", f"deprecated since 99.99, not {VERSION}"),
    ],
)
def test_a_removal_is_announced_in_time_and_by_the_version_that_announces_it(
    tmp_path, since, day, problem
):
    """For two weeks, a dead letter of the version before can be redriven."""
    written(tmp_path / f"{VERSION}.json", NOW)
    document = json.loads(NOW.text())
    field = document["events"]["order.shipped"]["fields"]["data.trackingNumber"]
    field["deprecated"] = {"since": since, "removedNotBefore": day, "instead": "nothing"}
    announced = Contract.parse(json.dumps(document), "test")
    record = partial(released.record, tmp_path, announced, today=date(2026, 6, 1))

    if problem is None:
        record()
        assert "removedNotBefore" in (tmp_path / f"{VERSION}.json").read_text("utf-8")
        released.record(tmp_path, announced, today=date(2026, 6, 14))  # known already
    else:
        with pytest.raises(ContractError, match=problem):
            record()


def test_the_commands_are_listed():
    assert typer.main.get_command(build()).commands["schema"].commands.keys() == {
        "export",
        "diff",
        "record",
    }
