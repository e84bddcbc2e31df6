"""The rehearsal runs what a guide says, as a user would type it."""

import pytest

from local.rehearsal.checkout import set_argument
from local.rehearsal.guide import NoSuchSection, blocks
from local.rehearsal.shell import CommandFailed, ProgramMissing, Shell
from local.rehearsal.terraform import ROOT
from local.rehearsal.walk import SECTIONS

GUIDE = """# A guide

    before the section

## From nothing

1. **First** do this,
   then that.

       make image
       TAG=abc

2. Put this into a file:

   ```hcl
   # terraform/dev.tfvars
   name = "value"
   ```

```hcl
example = 1
```

```mermaid
not a command
```

### Later

    rm -r everything
"""


@pytest.fixture
def guide(tmp_path):
    file = tmp_path / "guide.md"
    file.write_text(GUIDE, "utf-8")
    return file


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path)


def test_the_blocks_of_one_section_are_read_in_order(guide):
    found = [(block.language, block.text, block.place) for block in blocks(guide, "From nothing")]

    assert found == [
        ("sh", "make image\nTAG=abc", "guide.md:10"),
        ("hcl", '# terraform/dev.tfvars\nname = "value"', "guide.md:15"),
    ]


@pytest.mark.parametrize("section", ["A section that was renamed", "guide"])
def test_a_section_that_is_not_there_is_an_error(guide, section):
    with pytest.raises(NoSuchSection, match=section):
        blocks(guide, section)


@pytest.mark.parametrize(("document", "section"), sorted(SECTIONS))
def test_the_guides_have_the_sections_that_the_rehearsal_follows(document, section):
    assert blocks(ROOT / document, section)


def test_variables_and_functions_of_a_block_are_there_in_the_next(shell):
    shell.run("TAG=abc\nshout() { echo $1 | tr a-z A-Z; }", "guide.md:1")

    assert shell.run("shout $TAG", "guide.md:2") == "ABC\n"


def test_only_exported_variables_reach_a_program(shell):
    shell.run("export REGION=eu\nTAG='a b'", "guide.md:1")

    assert (
        shell.run("echo $TAG; sh -c 'echo $REGION ${TAG:-none}'", "guide.md:2") == "a b\neu none\n"
    )


@pytest.mark.parametrize("block", ["false\ntrue", "false | cat", "X=$(false)\ntrue", "echo $NEVER"])
def test_a_failed_command_ends_a_block(shell, block):
    with pytest.raises(CommandFailed, match=r"guide\.md:1: exit code 1"):
        shell.run(block, "guide.md:1")


def test_questions_are_answered_with_yes(shell):
    assert shell.run('read answer && echo "$answer"', "guide.md:1") == "yes\n"


def test_a_missing_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ProgramMissing, match="terraform"):
        Shell.open(tmp_path, {}, tmp_path / "memory", ())


def test_an_argument_is_set_once_whether_or_not_the_file_has_it(tmp_path):
    file = tmp_path / "dev.tfvars"
    file.write_text('account_id   = "1" # of this\noperators = []\n', "utf-8")

    set_argument(file, "account_id", '"2"')
    set_argument(file, "new", "3")

    lines = file.read_text("utf-8").split("\n")
    assert [line for line in lines if line] == ['account_id = "2"', "operators = []", "new = 3"]
