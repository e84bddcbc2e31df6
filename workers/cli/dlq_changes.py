"""``workers dlq`` edit, discard, export and import."""

import os
from pathlib import Path
from typing import Annotated

import typer

from workers.cli import dlq_view
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
from workers.cli.dlq_common import (
    Ids,
    InGroup,
    MessageId,
    Undelivered,
    Where,
    alone,
    answered,
    on_record,
    place,
    selection_of,
)
from workers.settings import Settings
from workers.topology import Topology

Why = Annotated[str, typer.Option("--reason", help="Why; required with --yes.")]
SHOWN = 20  # lines of a dry run


def add_to(dlq: typer.Typer) -> None:
    """Add the commands to ``workers dlq``."""
    example = "Example: workers dlq "
    dlq.command(
        "edit", epilog=example + 'edit payment 4f6c --set data.currency=EUR --reason "typo" --yes'
    )(edit)
    dlq.command("discard", epilog=example + 'discard payment --group 5b1c --reason "test" --yes')(
        discard
    )
    dlq.command("export", epilog=example + "export payment letters.ndjson")(export)
    dlq.command("import", epilog=example + "import payment letters.ndjson --yes")(import_)


def edit(
    service: ServiceName,
    message_id: MessageId,
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a field, such as data.currency=EUR."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="The whole corrected event, as JSON.")
    ] = None,
    reason: Why = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Correct the event in a dead letter and send it to the service. Needs ALLOW_EDIT=true.

    The corrected event has an id of its own and names the original as its cause. Its data has to
    meet the schema. The dead letter is deleted. The audit keeps what changed, personal data masked.
    """
    from workers.ops.dlq_edit import EditError, corrected, replace
    from workers.ops.dlq_place import read

    if not Settings.load().allow_edit:
        fail("editing is off. Set ALLOW_EDIT=true to correct events by hand", USAGE)
    if bool(sets) == bool(file):
        fail("give either --set PATH=VALUE or --from FILE", USAGE)
    pairs = [(path, value) for path, sign, value in (s.partition("=") for s in sets or ()) if sign]
    if len(pairs) != len(sets or ()):
        fail("--set needs PATH=VALUE, such as data.currency=EUR", USAGE)
    _need(reason, yes=yes)
    text = _text_of(file) if file else None
    here, clients = place(service)
    consumes = Topology.load().services[service].consumes
    with answered():
        letter = read(here).find(message_id)
    try:
        correction = corrected(letter, consumes=consumes, sets=pairs, text=text)
    except EditError as error:
        fail(f"{letter.id}: {error}", USAGE)
    diff = [change.masked() for change in correction.changes]
    if yes:
        detail = {"message": letter.id, "event": letter.event_id, "new event": correction.event_id}
        try:
            with (
                answered("Run the same command again: the corrected event keeps its id"),
                on_record(
                    here, clients, "dlq edit", reason=reason, detail=detail | {"diff": diff}
                ) as it,
                alone(here, it.by),
            ):
                replace(here, letter.id, correction)
                it.count = 1
        except EditError as error:
            fail(error, FAILED)
    if as_json:
        print_json({"id": letter.id, "event_id": correction.event_id, "diff": diff, "sent": yes})
        return
    for line in diff:
        say(dlq_view.one_line(line))
    event = f"event {correction.event_id} to the {service} queue"
    say(f"sent {event}" if yes else f"would send {event}; add --yes to apply")


def discard(
    service: ServiceName,
    *,
    ids: Ids = None,
    group: InGroup = "",
    where: Where = "",
    reason: Why = "",
    undelivered: Undelivered = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete dead letters for good. To keep a copy, use ``dlq export`` first."""
    from workers.ops.dlq_discard import discard as delete
    from workers.ops.dlq_place import read, shortfall
    from workers.ops.dlq_select import select

    selection = selection_of(ids, group, where)
    _need(reason, yes=yes)
    here, clients = place(service, undelivered=undelivered)
    if not yes:
        with answered():
            found = read(here)
            chosen = select(selection, found.letters, found.known)
        if as_json:
            names = [letter.id for letter in chosen]
            print_json(
                {"service": service, "messages": len(chosen), "discarded": False, "ids": names}
            )
        else:
            if chosen:
                dlq_view.letters_table(chosen[:SHOWN], found.known)
            say(f"would delete {counted(len(chosen), 'message')}; add --yes to apply")
        if text := shortfall(found.taken):
            note(text)
        raise typer.Exit(FAILED if found.taken.held_elsewhere else DONE)
    with (
        answered("Run the same command again to go on"),
        on_record(
            here, clients, "dlq discard", reason=reason, detail={"selection": selection}
        ) as it,
        alone(here, it.by),
    ):
        done = delete(here, selection)
        it.count = len(done.ids)
        it.detail["ids"] = " ".join(done.ids)
    if as_json:
        print_json(
            {"service": service, "messages": len(done.ids), "discarded": True, "ids": done.ids}
        )
    else:
        say(f"deleted {counted(len(done.ids), 'message')}")
    if done.unread:
        note(f"{counted(done.unread, 'message')} there could not be read: try again in 30 s")
    raise typer.Exit(FAILED if done.unread else DONE)


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
        messages = read_lines(_text_of(file), service, here.kind)
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


def _need(reason: str, *, yes: bool) -> None:
    if yes and not reason:
        fail("--reason is missing: say why, for the audit", USAGE)


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}", USAGE)
