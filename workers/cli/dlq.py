"""``workers dlq``."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from workers.cli.console import (
    FAILED,
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

dlq = typer.Typer(help="List, show and redrive dead letters.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(dlq, name="dlq")


_LISTED: Final = ("id", "event_type", "order_id", "type", "reason", "attempts", "failed_at")


@dlq.command("list", epilog="Example: workers dlq list payment")
def dlq_list(service: ServiceName, *, as_json: Json = False) -> None:
    """List a service's dead letters and the reasons."""
    found = [
        {name: value for name, value in asdict(message).items() if name in _LISTED}
        for message in _dead(service)
    ]
    if as_json:
        print_json(found)
    elif found:
        show(found)
    else:
        say(f"the dead-letter queue of {service} is empty")


@dlq.command("show", epilog="Example: workers dlq show payment 4f6c2d")
def dlq_show(
    service: ServiceName,
    message_id: Annotated[
        str, typer.Argument(metavar="MESSAGE_ID", help="A message ID or a unique prefix of one.")
    ],
) -> None:
    """Show one dead letter as JSON, including its body."""
    found = [m for m in _dead(service) if m.id.startswith(message_id)]
    if len(found) != 1:
        fail(f"{len(found)} {service} messages match that ID prefix", FAILED)
    print_json({k: v for k, v in asdict(found[0]).items() if k != "receipt_handle"})


@dlq.command("redrive", epilog="Example: workers dlq redrive payment --yes")
def dlq_redrive(service: ServiceName, *, yes: Yes = False, as_json: Json = False) -> None:
    """Move a service's dead letters back to its queue, and wait for the end. Safe to repeat."""
    from workers.aws import names
    from workers.aws.dead_letters import RedriveError
    from workers.aws.redrive import redrive
    from workers.aws.sqs import depth

    settings, clients = connect()
    known(service)
    sqs = clients.control()
    source = names.dlq_url(sqs, settings, service)
    if yes:
        destination = names.queue_url(sqs, settings, service)
        try:
            moved = redrive(sqs, source, destination, report=_report)
        except RedriveError as error:
            fail(f"{service}: {error}", FAILED)
    else:
        moved = depth(sqs, source).visible
    messages = f"{counted(moved, 'message')} back to the {service} queue"
    if as_json:
        print_json({"service": service, "messages": moved, "moved": yes})
    elif yes:
        say(f"moved {messages}")
    else:
        say(f"would move {messages}; add --yes to apply")


def _report(moved: int, total: int) -> None:
    note(f"moved {moved} of {counted(total, 'message')}")


def _dead(service: str) -> Any:
    from workers.aws import names
    from workers.ops.dlq import look

    settings, clients = connect()
    known(service)
    sqs = clients.control()
    return look(sqs, names.dlq_url(sqs, settings, service))
