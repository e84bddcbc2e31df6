"""``workers queues`` and ``workers counters``."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from workers.cli.console import Json, connect, counted, leave, print_json, say, show, table_of
from workers.runtime.observability import logs
from workers.topology import Topology

commands = typer.Typer()


@commands.command(epilog="Example: workers queues --json")
def queues(
    *,
    as_json: Json = False,
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics", help="Serve the depths to Prometheus on METRICS_PORT until stopped."
        ),
    ] = False,
) -> None:
    """Show queue depths: waiting, in flight, dead-lettered."""
    from workers.ops.queues import Queues

    settings, clients = connect()
    if metrics:
        from workers.ops.exporter import serve

        lines = logs.configure(settings.log_level, service="queues")
        find = partial(Queues, clients, settings, Topology.load())
        port, stop_timeout = settings.metrics_port, settings.stop_timeout
        leave(lines, serve(find, port=port, stop_timeout=stop_timeout))
    found = [asdict(state) for state in Queues(clients, settings, Topology.load()).states()]
    if as_json:
        print_json(found)
    else:
        show(found)


@commands.command(epilog="Example: workers counters --hours 24")
def counters(
    hours: Annotated[
        int, typer.Option(min=1, max=744, help="Number of hours to sum, including the current one.")
    ] = 24,
    *,
    as_json: Json = False,
) -> None:
    """Show the number of events of each type, and the revenue."""
    from workers.ops.counters import read_counters

    settings, clients = connect()
    totals = read_counters(
        clients.dynamodb(),
        table_of(settings, "analytics"),
        hours=hours,
        now=datetime.now(UTC),
    )
    found = {name: str(value) for name, value in sorted(totals.items())}
    if as_json:
        print_json(found)
    elif found:
        show([{"counter": name, "total": value} for name, value in found.items()])
    else:
        say(f"nothing counted in the last {counted(hours, 'hour')}")
