"""``workers dlq export`` and ``import``."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from workers.cli.console import (
    DONE,
    FAILED,
    USAGE,
    Json,
    ServiceName,
    Yes,
    counted,
    fail,
    note,
    print_json,
    say,
)
from workers.cli.dlq_common import Undelivered, alone, answered, contents, on_record, place

EXPORT: Final = "Example: workers dlq export payment letters.ndjson"
IMPORT: Final = "Example: workers dlq import payment letters.ndjson --yes"


def export(
    service: ServiceName,
    file: Annotated[Path, typer.Argument(help="A new file; it will hold personal data.")],
    *,
    undelivered: Undelivered = False,
) -> None:
    """Write a service's dead letters to a file, one JSON document per line. Deletes nothing.

    Reading has the same cost as ``dlq list``. The file is readable by you only.
    """
    from workers.aws.dead_letters import peek
    from workers.ops.dlq_files import lines_of
    from workers.ops.dlq_place import shortfall

    here, clients = place(service, undelivered=undelivered)
    if file.exists():
        fail(f"{file} exists", USAGE)
    with (
        answered(),
        on_record(here, clients, "dlq export", reason="", detail={"file": file.name}) as it,
    ):
        taken = peek(here.sqs, here.source)
        lines = lines_of(service, here.kind, taken.messages)
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            fail(f"{file}: {error.strerror}", USAGE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"{line}\n" for line in lines)
        it.count = len(lines)
    say(f"wrote {counted(len(lines), 'message')} to {file}")
    if text := shortfall(taken):
        note(text)
    raise typer.Exit(FAILED if taken.unread else DONE)


def import_(
    service: ServiceName,
    file: Annotated[Path, typer.Argument(help="A file from dlq export.")],
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put exported messages back into the service's dead-letter queue, for a redrive.

    A message that is in the queue already is left out, so importing twice adds nothing.
    """
    from workers.aws.dead_letters import peek
    from workers.ops.dlq_files import FileError, absent, put_back, read_lines
    from workers.ops.dlq_place import HeldError, shortfall

    here, clients = place(service)
    try:
        messages = read_lines(contents(file), service, here.kind)
    except FileError as error:
        fail(f"{file}: {error}", USAGE)
    with answered():
        taken = peek(here.sqs, here.source)
        if taken.unread:
            raise HeldError(shortfall(taken))
        new = absent(messages, taken.messages)
    if yes:
        with (
            answered("To go on, import the file again"),
            on_record(here, clients, "dlq import", reason="", detail={"file": file.name}) as it,
            alone(here, it.by),
        ):
            it.count = put_back(here, new)
    there = len(messages) - len(new)
    if as_json:
        print_json({"service": service, "messages": len(new), "there": there, "imported": yes})
        return
    text = f"{counted(len(new), 'message')} ({there} there already)"
    say(f"imported {text}" if yes else f"would import {text}; add --yes to apply")
