"""``workers dlq edit`` and ``discard``."""

from pathlib import Path
from typing import Annotated, Final

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
    contents,
    on_record,
    place,
    selection_of,
)
from workers.settings import Settings
from workers.signing import Signing
from workers.topology import Topology

Why = Annotated[str, typer.Option("--reason", help="Why; required with --yes.")]
SHOWN: Final = 20  # lines of a dry run
EDIT: Final = "Example: workers dlq edit payment 4f6c --set data.currency=EUR --reason typo --yes"
DISCARD: Final = 'Example: workers dlq discard payment --group 5b1c --reason "test data" --yes'


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

    settings = Settings.load()
    if not settings.allow_edit:
        fail("editing is off. Set ALLOW_EDIT=true to correct events by hand", USAGE)
    if bool(sets) == bool(file):
        fail("give either --set PATH=VALUE or --from FILE", USAGE)
    pairs = [(path, value) for path, sign, value in (s.partition("=") for s in sets or ()) if sign]
    if len(pairs) != len(sets or ()):
        fail("--set needs PATH=VALUE, such as data.currency=EUR", USAGE)
    _need(reason, yes=yes)
    text = contents(file) if file else None
    signing = Signing.of(settings)
    here, clients = place(service)
    consumes = Topology.load().services[service].consumes
    with answered():
        letter = read(here).find(message_id)
    try:
        correction = corrected(
            letter,
            consumes=consumes,
            sets=pairs,
            text=text,
            sign=signing.sign if signing else None,
        )
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

    selection = selection_of(ids, group, where)
    _need(reason, yes=yes)
    here, clients = place(service, undelivered=undelivered)
    if not yes:
        with answered():
            found = read(here)
            chosen = found.choose(selection)
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


def _need(reason: str, *, yes: bool) -> None:
    if yes and not reason:
        fail("--reason is missing: say why, for the audit", USAGE)
