"""``workers outbox``."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from workers.cli.console import (
    USAGE,
    Json,
    Yes,
    connect,
    counted,
    fail,
    print_json,
    say,
    show,
    table_of,
)

outbox = typer.Typer(
    help="Events waiting to be published, and events set aside.", no_args_is_help=True
)
commands = typer.Typer()
commands.add_typer(outbox, name="outbox")


@outbox.command("list", epilog="Example: workers outbox list")
def outbox_list(*, as_json: Json = False) -> None:
    """List waiting events by shard, and events set aside."""
    from workers.ops.outbox import set_aside, shards

    _, found = _outbox()
    waiting = [asdict(state) for state in shards(*found, datetime.now(UTC))]
    aside = [asdict(event) for event in set_aside(found[0])]
    if as_json:
        print_json({"shards": waiting, "set_aside": aside})
        return
    show(waiting)
    if aside:
        say("\nset aside:")
        show(aside)
    else:
        say("\nnothing is set aside")


@outbox.command("retry", epilog="Example: workers outbox retry --all --yes")
def outbox_retry(
    event_id: Annotated[
        str | None,
        typer.Argument(metavar="[EVENT_ID]", help="An event ID or a unique prefix of one."),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Retry every event that was set aside.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let the relay retry events that it set aside. Safe to repeat."""
    from workers.aws.identity import caller
    from workers.ops.audit import record
    from workers.ops.outbox import put_back, set_aside

    if everything == (event_id is not None):
        fail("give either EVENT_ID or --all", USAGE)
    clients, (rows, _) = _outbox()
    known = [event.event_id for event in set_aside(rows)]
    chosen = [event_id] if event_id in known else [k for k in known if k.startswith(event_id or "")]
    if event_id is not None and len(chosen) != 1:
        aside = ", ".join(known) or "none"
        fail(f"{len(chosen)} events match that ID prefix. Events set aside: {aside}", USAGE)
    count = len(chosen)
    if yes and chosen:
        with record(
            clients.dynamodb(),
            rows.table,
            by=caller(clients),
            action="outbox retry",
            reason=reason,
            count=count,
            detail={"event": "all" if everything else chosen[0]},
        ) as it:
            count = it.count = put_back(rows, chosen)
    if as_json:
        print_json({"events": count, "retried": yes})
    elif yes:
        say(f"{counted(count, 'event')} will be retried")
    else:
        say(f"would retry {counted(count, 'event')}; add --yes to apply")


def _outbox() -> tuple[Any, tuple[Any, Any]]:
    from workers.aws.outbox import Outbox
    from workers.aws.outbox_leases import OutboxLeases

    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "relay")
    return clients, (Outbox(dynamodb, table), OutboxLeases(dynamodb, table))
