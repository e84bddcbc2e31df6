"""``workers dlq redrive``."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workers.cli import dlq_view
from workers.cli.console import DONE, FAILED, Json, ServiceName, Yes, counted, note, print_json, say
from workers.cli.dlq_common import (
    Ids,
    InGroup,
    Reason,
    Undelivered,
    Where,
    answered,
    on_record,
    per_second,
    place,
    selection_of,
)
from workers.runtime.errors import Unavailable

if TYPE_CHECKING:
    from workers.ops.dlq_place import Place
    from workers.ops.dlq_redrive import Moved, Pace
    from workers.ops.dlq_select import Selection

EXAMPLE: Final = "Example: workers dlq redrive payment --group 5b1c --canary 1 --rate 20/s --yes"
SHOWN: Final = 20  # lines of a dry run
PATIENCE: Final = 60.0  # s to go on trying after the first lost connection
PAUSE: Final = 2.0  # s


def redrive(
    service: ServiceName,
    *,
    ids: Ids = None,
    group: InGroup = "",
    where: Where = "",
    rate: Annotated[
        float | None, typer.Option(parser=per_second, metavar="N/s", help="At most so many.")
    ] = None,
    canary: Annotated[
        int,
        typer.Option(min=0, max=100, help="Move N first. Go on only if all of them are handled."),
    ] = 0,
    stop_on_failure: Annotated[
        int, typer.Option(min=0, help="Stop after N messages have failed again.")
    ] = 0,
    reason: Reason = "",
    undelivered: Undelivered = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move a service's dead letters back to its queue. Safe to repeat.

    What gets into the queue after the start stays there. Without any option SQS moves the messages
    itself, and may move again what fails again meanwhile. After an interruption, also by kill -9,
    the same command goes on where it ended.
    """
    from workers.ops.dlq_redrive import Pace

    selection = selection_of(ids, group, where)
    pace = Pace(rate, canary, stop_on_failure)
    here, clients = place(service, undelivered=undelivered)
    if not yes:
        _rehearse(here, selection, as_json=as_json)
    again = "No message is lost. Run the same command again to go on"
    options = {"selection": selection, "pace": pace}
    with (
        answered(again),
        on_record(here, clients, "dlq redrive", reason=reason, detail=options) as recording,
        dlq_view.progress_shown() as progress,
    ):
        moved = _move(here, selection, pace, recording, progress)
    _report(service, moved, as_json=as_json)


def _move(
    here: "Place", selection: "Selection", pace: "Pace", recording: Any, progress: Any
) -> "Moved":
    """Move the messages, and go on after a lost connection."""
    from workers.ops.dlq_native import redrive_all
    from workers.ops.dlq_redrive import Moved
    from workers.ops.dlq_redrive import redrive as move
    from workers.ops.operations import Operation

    native = selection.everything and pace.none
    result, lost = Moved(), 0.0
    while True:
        try:
            with Operation.running(here.dynamodb, here.table, here.kind, by=recording.by) as run:
                done = redrive_all(here, run, progress) if native else None
                if done is None:
                    done = move(here, selection, pace, run, progress=progress, result=result)
        except Unavailable as error:
            recording.count = result.moved
            lost = lost or time.monotonic()
            if time.monotonic() - lost > PATIENCE:
                raise
            note(f"the connection was lost: {error}. Going on in {PAUSE:.0f} s")
            time.sleep(PAUSE)
        else:
            recording.count = done.moved
            recording.result = done.stopped or recording.result
            return done


def _rehearse(here: "Place", selection: "Selection", *, as_json: bool) -> None:
    """Say what would move, and exit."""
    from workers.ops.dlq_advice import warning
    from workers.ops.dlq_groups import grouped
    from workers.ops.dlq_place import read, shortfall

    with answered():
        found = read(here)
        chosen = found.choose(selection)
    text = shortfall(found.taken)
    if as_json:
        print_json(
            {
                "service": here.service,
                "messages": len(chosen),
                "moved": False,
                "unread": found.taken.unread,
                "groups": [asdict(each) for each in grouped(chosen, found.known)],
                "ids": [letter.id for letter in chosen],
            }
        )
    else:
        if chosen:
            dlq_view.letters_table(chosen[:SHOWN], found.known)
        if len(chosen) > SHOWN:
            say(f"... and {len(chosen) - SHOWN} more; --json lists all")
        messages = f"{counted(len(chosen), 'message')} back to the {here.service} queue"
        say(f"would move {messages}; add --yes to apply")
    for told in (warning(chosen), text):
        if told:
            note(told)
    raise typer.Exit(FAILED if found.taken.held_elsewhere else DONE)


def _report(service: str, moved: "Moved", *, as_json: bool) -> None:
    """Say what was moved, and exit."""
    if as_json:
        print_json({"service": service, "messages": moved.moved, **asdict(moved), "moved": True})
    else:
        say(f"moved {counted(moved.moved, 'message')} back to the {service} queue")
        if moved.resumed:
            say(f"resumed what {moved.resumed} started, which had moved at least {moved.before}")
        if moved.handled or moved.failed or moved.undecided:
            say(
                f"{moved.handled} handled, {moved.failed} failed again, {moved.undecided} not known"
            )
    problems = [moved.stopped] if moved.stopped else []
    if moved.unread:
        problems.append(
            f"{counted(moved.unread, 'message')} there could not be read: try again in 30 s"
        )
    if moved.doubtful:
        problems.append(
            f"{counted(moved.doubtful, 'message')} left: an interrupted redrive may have sent them"
        )
    for problem in problems:
        note(f"{service}: {problem}")
    raise typer.Exit(FAILED if problems or moved.failed else DONE)
