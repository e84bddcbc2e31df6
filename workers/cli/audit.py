"""``workers audit``."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from workers.cli.console import (
    Json,
    ServiceName,
    connect,
    known,
    print_json,
    say,
    show,
    table_of,
)

commands = typer.Typer()


@commands.command("audit", epilog="Example: workers audit payment --days 30")
def audit(
    service: ServiceName,
    *,
    days: Annotated[int, typer.Option(min=1, max=400, help="Days, today included (UTC).")] = 7,
    as_json: Json = False,
) -> None:
    """List who changed or moved what in a service, newest first. Changes nothing."""
    from workers.ops.audit import history

    known(service)
    settings, clients = connect()
    found = history(
        clients.dynamodb(), table_of(settings, service), days=days, today=datetime.now(UTC).date()
    )
    if as_json:
        print_json([asdict(each) for each in found])
    elif found:
        show(
            {
                "at": each.at[:19],
                "by": each.by.rpartition(":")[2],
                "action": each.action,
                "count": each.count,
                "result": each.result or "no end on record",
                "reason": each.reason,
                "detail": ", ".join(f"{name}={text}" for name, text in each.detail.items()),
            }
            for each in found
        )
    else:
        say(f"no operations on {service} in the last {days} days")
