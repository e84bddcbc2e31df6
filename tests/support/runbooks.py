"""The commands in the pages of ``docs/runbooks``, and whether they can be typed."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import typer

from workers.cli import build

PAGES = Path(__file__).parents[2] / "docs" / "runbooks"
# In a code block, or in backticks; perhaps after settings such as DLQ_URL=... .
_BLOCK = re.compile(r"^ {4,}((?:[A-Z_]+=\S+ )*(?:workers|make|aws) .+)$", re.MULTILINE)
_INLINE = re.compile(r"`((?:workers|make|aws) [^`]+)`")

# typer brings its own click, and shows only this part of it.
WrongUsage = typer.BadParameter.__base__


@dataclass(frozen=True)
class Command:
    """A command in a page."""

    text: str
    program: str
    arguments: list[str]
    mentioned: bool = False  # in a sentence, perhaps without its arguments


def commands_of(page, program):
    """List the commands of a page that start a program, in their order."""
    text = re.sub(r" \\\n\s+", " ", (PAGES / f"{page}.md").read_text("utf-8"))
    found = sorted(
        (m.start(), m[1], each is _INLINE)
        for each in (_BLOCK, _INLINE)
        for m in each.finditer(text)
    )
    lines = {}
    for _, line, inline in found:
        lines[line] = lines.get(line, True) and inline
    commands = [_command(line, mentioned=inline) for line, inline in lines.items()]
    return [command for command in commands if command.program == program]


def _command(line, *, mentioned):
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)] or [""]
    text = shlex.join(words) if words[0] == "workers" else line
    # make has its variables after the target
    arguments = shlex.split(line)[1:] if words[0] == "make" else words[1:]
    return Command(text, words[0], arguments, mentioned)


def parse(command):
    """Parse the arguments of a command of ours, without running it. Raises ``WrongUsage``.

    A command that is only mentioned has to exist.
    """
    if command.mentioned and _exists(command.arguments):
        return
    group, arguments = typer.main.get_command(build()), list(command.arguments)
    context = None
    while True:
        context = group.make_context(group.name or "workers", arguments, parent=context)
        if not hasattr(group, "commands"):
            return
        rest = [*context._protected_args, *context.args]  # noqa: SLF001 - as its invoke does
        _, group, arguments = group.resolve_command(context, rest)


def _exists(path):
    command = typer.main.get_command(build())
    for word in path:
        command = getattr(command, "commands", {}).get(word)
    return command is not None
