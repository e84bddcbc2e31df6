"""``workers queues``."""

import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from workers.cli.console import USAGE, Json, fail, leave, note, print_json
from workers.cli.durations import span
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workers.ops.overview import Look, Overview
    from workers.ops.queues import QueueState

REFRESH_EVERY: Final = 5.0  # s

commands = typer.Typer()


@commands.command(epilog="Example: workers queues --watch")
def queues(
    *,
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh every 5 s until Ctrl-C, with rates.")
    ] = False,
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics", help="Serve the depths to Prometheus on METRICS_PORT until stopped."
        ),
    ] = False,
) -> None:
    """Show each queue: depth, age, dead letters, rates, time to drain, workers, pause."""
    if as_json + watch + metrics > 1:
        fail("--json, --watch and --metrics exclude each other", USAGE)
    settings, topology = Settings.load(), Topology.load()
    if metrics:
        _serve(settings, topology)
    overview = connect_overview(settings, topology)
    if watch:
        _watch(overview)
        return
    look = overview.look()
    for problem in look.notes:
        note(problem)
    if as_json:
        print_json([asdict(state) for state in look.queues])
    else:
        _print(look)


def connect_overview(settings: Settings, topology: Topology) -> "Overview":
    """Connect for a person who waits. Raises ``FatalError`` if a queue does not exist."""
    from workers.aws.clients import FOR_A_PERSON, Clients
    from workers.ops.overview import Overview
    from workers.ops.queues import AT_ONCE

    clients = Clients.connect(settings, threads=AT_ONCE, patience=FOR_A_PERSON, transport="boto3")
    return Overview(clients, settings, topology)


def row(state: "QueueState") -> dict[str, str | int]:
    """Return the cells of a queue, by the names of their columns."""
    workers = _known(state.workers)
    if state.silent:
        workers = f"{workers} ({state.silent} silent)"
    return {
        "service": state.service,
        "waiting": state.visible,
        "in flight": state.in_flight,
        "delayed": state.delayed,
        "oldest": span(state.oldest_seconds),
        "dead": state.dead,
        "in/s": _known(state.rate_in),
        "out/s": _known(state.rate_out),
        "empty in": _drain(state),
        "workers": workers,
        "paused": _paused(state),
    }


def _drain(state: "QueueState") -> str:
    if state.drain_seconds is None:
        return "-" if state.paused or not state.rate_out else "never"
    unknown = state.drain_seconds > 0 and state.rate_in is None
    return f"> {span(state.drain_seconds)}" if unknown else span(state.drain_seconds)


def _paused(state: "QueueState") -> str:
    if state.workers is None:
        return "-"
    if state.paused is None:
        return "no"
    return "yes" if state.paused.until is None else f"until {_clock(state.paused.until)}"


def _clock(epoch: float) -> str:
    return time.strftime("%H:%M UTC", time.gmtime(epoch))


def _known(number: float | None) -> str:
    return "-" if number is None else f"{number:g}"


def _table(look: "Look") -> Any:
    from rich.table import Table

    table = Table(box=None, collapse_padding=True, header_style="bold", pad_edge=False)
    rows = [row(state) for state in look.queues]
    for name in rows[0]:
        left = name in ("service", "paused")
        justify: Literal["left", "right"] = "left" if left else "right"
        # A narrow terminal breaks headers, not names.
        table.add_column(name, justify=justify, no_wrap=name == "service")
    for cells in rows:
        table.add_row(*map(str, cells.values()))
    return table


def _below(look: "Look") -> list[str]:
    """Return the lines below the table: the time, and who paused what."""
    paused = [f"{each.service} is {each.paused}" for each in look.queues if each.paused]
    return [*paused, f"as of {look.queues[0].as_of}"]


def _print(look: "Look") -> None:
    from workers.cli.console import say, show

    show([row(state) for state in look.queues])
    for line in _below(look):
        say(line)


def _watch(overview: "Overview") -> None:
    """Show the queues until Ctrl-C. A look that fails shows why, and the next one is tried."""
    from contextlib import suppress

    from rich.console import Group
    from rich.live import Live

    from workers.runtime.errors import FatalError, PermanentError, Unavailable

    shown: list[RenderableType] = []
    with suppress(KeyboardInterrupt), Live(auto_refresh=False) as live:
        while True:
            problems: list[str]
            try:
                look = overview.look()
                shown, problems = [_table(look), *_below(look)], list(look.notes)
            except (FatalError, PermanentError, Unavailable) as error:
                problems = [str(error)]
            live.update(Group(*shown, *problems), refresh=True)
            time.sleep(REFRESH_EVERY)


def _serve(settings: Settings, topology: Topology) -> None:
    """Serve the depths to Prometheus, and end the process."""
    from workers.aws.clients import Clients
    from workers.ops.exporter import serve
    from workers.ops.queues import Queues
    from workers.runtime.observability import logs

    lines = logs.configure(settings.log_level, service="queues")
    find = partial(
        Queues, Clients.connect(settings, threads=1, transport="boto3"), settings, topology
    )
    port, stop_timeout = settings.metrics_port, settings.stop_timeout
    leave(lines, serve(find, port=port, stop_timeout=stop_timeout))
