"""``workers counters``."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from workers.cli.console import Json, connect, counted, print_json, say, show, table_of

commands = typer.Typer()


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
