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
    fail,
    known,
    print_json,
    say,
    show,
)

dlq = typer.Typer(
    help="Look into dead-letter queues and bring messages back.", no_args_is_help=True
)
commands = typer.Typer()
commands.add_typer(dlq, name="dlq")


_LISTED: Final = ("id", "event_type", "order_id", "type", "reason", "attempts", "failed_at")


@dlq.command("list", epilog="Example: workers dlq list payment")
def dlq_list(service: ServiceName, *, as_json: Json = False) -> None:
    """List the messages in a service's dead-letter queue, with the reasons."""
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
    message_id: Annotated[str, typer.Argument(help="The message's id, or how it starts.")],
) -> None:
    """Show one dead letter as JSON, body included."""
    found = [m for m in _dead(service) if m.id.startswith(message_id)]
    if len(found) != 1:
        fail(f"{len(found)} messages of {service} have an id that starts so", FAILED)
    print_json({k: v for k, v in asdict(found[0]).items() if k != "receipt_handle"})


@dlq.command("redrive", epilog="Example: workers dlq redrive payment --yes")
def dlq_redrive(service: ServiceName, *, yes: Yes = False, as_json: Json = False) -> None:
    """Move a service's dead letters back into its queue. Repeats do no harm."""
    from workers.aws import names
    from workers.aws.sqs import depth
    from workers.ops.dlq import redrive

    settings, clients = connect()
    known(service)
    sqs = clients.control()
    source = names.dlq_url(sqs, settings, service)
    if yes:
        moved = redrive(sqs, source, names.queue_url(sqs, settings, service))
    else:
        moved = depth(sqs, source).visible
    if as_json:
        print_json({"service": service, "messages": moved, "moved": yes})
    elif yes:
        say(f"moved {moved} messages back to the queue of {service}")
    else:
        say(f"would move {moved} messages back to the queue of {service}; add --yes to do it")


def _dead(service: str) -> Any:
    from workers.aws import names
    from workers.ops.dlq import look

    settings, clients = connect()
    known(service)
    sqs = clients.control()
    return look(sqs, names.dlq_url(sqs, settings, service))
