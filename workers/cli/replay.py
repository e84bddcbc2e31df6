"""``workers replay``."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workers.cli.console import (
    FAILED,
    USAGE,
    Json,
    ServiceName,
    Yes,
    connect,
    counted,
    fail,
    known,
    note,
    print_json,
    say,
    show,
)
from workers.cli.rebuild import DELAY, INTERRUPTED, rebuild_counters
from workers.runtime.errors import Unavailable
from workers.runtime.memory import INBOX_RETENTION
from workers.topology import Topology

if TYPE_CHECKING:
    from workers.ops.archive import Selection
    from workers.ops.replay import Tally

commands = typer.Typer()
DAYS: Final = INBOX_RETENTION.days


@commands.command(
    epilog="Examples: workers replay analytics --order 1f0c --yes; "
    "workers replay payment --from 2026-11-21T14:00 --to 2026-11-21T15:00; "
    "workers replay analytics --rebuild --yes"
)
def replay(
    service: ServiceName,
    *,
    order: Annotated[str, typer.Option(metavar="ID", help="The events of this order.")] = "",
    since: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME", help="Events that occurred from then on: ISO 8601, UTC."
        ),
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            "--to", metavar="TIME", help="Events that occurred before (default: no limit)."
        ),
    ] = "",
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only this type of event. May be repeated."),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Count everything again, from nothing. Only for analytics."),
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Also events that it has handled: it publishes their outcomes again."
        ),
    ] = False,
    forgotten: Annotated[
        bool,
        typer.Option(
            "--forgotten",
            help="Also events so old that its inbox may not remember them.",
        ),
    ] = False,
    canary: Annotated[
        int, typer.Option(min=0, help="Send this many first, and go on once they are handled.")
    ] = 0,
    rate: Annotated[float, typer.Option(min=0, help="Events per second (default: no limit).")] = 0,
    reason: Annotated[str, typer.Option(help="Recorded in the audit.")] = "",
    archive_delay: Annotated[
        float,
        typer.Option(
            min=0, help="With --rebuild: seconds until the archive holds what was published."
        ),
    ] = DELAY,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send archived events to one service again, under their own ids, byte for byte.

    The service handles each event once: those that it has handled are left out. Interrupted, run
    the same command again: it goes on where it stopped.
    """
    known(service)
    if rebuild:
        if order or since or until or types:
            fail(
                "--rebuild reads the whole archive: leave out --order, --from, --to, --type", USAGE
            )
        rebuild_counters(service, archive_delay, reason, yes=yes, as_json=as_json)
        return
    if not (order or since):
        fail("say which events: --order ID, or --from TIME [--to TIME], or --rebuild", USAGE)
    wanted = _types(service, types or [])
    from workers.ops.replay import Options

    options = Options(yes, again=again, forgotten=forgotten, canary=canary, rate=rate)
    times = (since, until)
    _replay(service, wanted, options, order=order, times=times, reason=reason, as_json=as_json)


def _replay(
    service: str,
    types: frozenset[str],
    options: Any,
    *,
    order: str,
    times: tuple[str, str],
    reason: str,
    as_json: bool,
) -> None:
    from workers.ops.operations import BusyError, TakenOverError
    from workers.ops.replay import CanaryFailed, Tally
    from workers.ops.replaying import Replaying

    settings, clients = connect()
    replaying = Replaying.of(clients, settings, service)
    selection = _selection(replaying, types, order, times)
    tally, problem, code = Tally(), "", FAILED
    try:
        if options.send:
            replaying.send(selection, options, tally, reason=reason, report=note)
        else:
            replaying.look(selection, options, tally, report=note)
    except KeyboardInterrupt:
        problem, code = "interrupted; run the same command again to go on", INTERRUPTED
    except CanaryFailed as error:
        problem = f"{error}. Look at `workers dlq list {service}`; nothing else was sent"
    except BusyError as error:
        problem = f"another replay to {service} is running: {error}"
    except TakenOverError as error:
        problem = str(error)
    except Unavailable as error:
        problem = f"{error}. Run the same command again to go on"
    _print(service, selection, options, tally, as_json=as_json)
    if problem:
        fail(problem, code)


def _types(service: str, asked: list[str]) -> frozenset[str]:
    topology = Topology.load()
    consumes = topology.consumers[service].consumes
    if unknown := sorted(set(asked) - topology.events):
        fail(
            f"no such event: {', '.join(unknown)}. Events: {', '.join(sorted(topology.events))}",
            USAGE,
        )
    if not (wanted := consumes & set(asked) if asked else consumes):
        fail(f"{service} consumes none of these; it consumes {', '.join(sorted(consumes))}", USAGE)
    if others := sorted(set(asked) - consumes):
        note(f"left out, because {service} does not consume them: {', '.join(others)}")
    return frozenset(wanted)


def _selection(
    replaying: Any, types: frozenset[str], order: str, times: tuple[str, str]
) -> "Selection":
    from workers.ops.archive import ALWAYS, Selection

    since = _time("--from", times[0]) if times[0] else None
    until = _time("--to", times[1]) if times[1] else ALWAYS[1]
    if order:
        placed = replaying.placed_at(order)
        if placed is None and since is None:
            fail(
                f"no order {order}. If its row is gone, say when it was placed: --from TIME", USAGE
            )
        since = since or placed
        note(f"reading the archive from {since:%Y-%m-%d}, when the order was placed")
    if since is None or since >= until:
        fail(f"--from must be before --to: {since} is not before {until}", USAGE)
    return Selection(types, since, until, order)


def _time(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is not a time: write 2026-11-21 or 2026-11-21T14:00:00", USAGE)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _print(
    service: str, selection: "Selection", options: Any, tally: "Tally", *, as_json: bool
) -> None:
    if as_json:
        found = asdict(tally) | {"service": service, "events": tally.events, "sent": options.send}
        times = {"from": selection.since.isoformat(), "to": selection.until.isoformat()}
        print_json(found | times)
        return
    if tally.types:
        show({"type": name, "events": n} for name, n in sorted(tally.types.items()))
    for number, what in (
        (tally.handled, f"left out: {service} has handled them"),
        (tally.forgotten, "left out: older than the inbox remembers; --forgotten sends them"),
        (tally.repeats, "left out: copies"),
        (tally.unreadable, "lines that are no event"),
    ):
        if number:
            say(f"{number} {what}")
    if tally.too_old:
        note(
            f"{counted(tally.too_old, 'event')} older than {DAYS} days: {service} dead-letters "
            "them (too_old), unless its MAX_EVENT_AGE allows it"
        )
    for line in tally.problems:
        note(line)
    events = f"{counted(tally.events, 'event')} to the {service} queue"
    say(f"sent {events}" if options.send else f"would send {events}; add --yes to apply")
