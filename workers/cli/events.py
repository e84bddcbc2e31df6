"""``workers publish``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.console import USAGE, Json, Yes, connect, fail, note, print_json, say, table_of
from workers.topology import Topology

if TYPE_CHECKING:
    from workers.envelope import Encoded, Envelope
    from workers.events import OrderEvent

commands = typer.Typer()


@commands.command(epilog='Example: workers publish event.json --reason "lost in a restore" --yes')
def publish(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A JSON file with one envelope; - reads standard input."
        ),
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish one event to the topic, byte for byte. Every service that consumes it will act on it.

    A service that has handled the event before does nothing.
    """
    from workers.envelope import Encoded, EnvelopeError
    from workers.events import decode

    try:
        # Read bytes: reading text would translate line endings.
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        event = Encoded.read(raw.decode())
        envelope = decode(event.body)
    except (OSError, UnicodeDecodeError, EnvelopeError) as error:
        fail(f"{file}: {error}", USAGE)
    topology = Topology.load()
    consumers = _announce(topology, envelope)
    if yes:
        _send(topology, event, envelope, reason)
    told = f"{envelope.event_type} {event.event_id}"
    if as_json:
        print_json({"event_id": event.event_id, "consumers": consumers, "published": yes})
    else:
        say(f"published {told}" if yes else f"would publish {told}; add --yes to apply")


def _send(
    topology: Topology, event: "Encoded", envelope: "Envelope[OrderEvent]", reason: str
) -> None:
    from workers.aws import names
    from workers.aws.identity import caller
    from workers.aws.sns import SnsTopic
    from workers.ops.audit import record

    settings, clients = connect()
    sns = clients.sns()
    topic = SnsTopic(sns, names.topic_arn(sns, settings, topology.topic_name))
    detail = {"event": event.event_id, "type": envelope.event_type, **envelope.data.subject}
    with record(
        clients.dynamodb(),
        table_of(settings, "order-api"),
        by=caller(clients),
        action="publish",
        reason=reason,
        count=1,
        detail=detail,
    ):
        if refused := topic.publish([event]):
            raise refused[0]


def _announce(topology: Topology, envelope: "Envelope[OrderEvent]") -> list[str]:
    """Say who will act on an event, and what it moves; return the services."""
    event_type = envelope.event_type
    consumers = [name for name, each in topology.consumers.items() if event_type in each.consumes]
    if not consumers:
        fail(f"no service consumes {event_type}: SNS would drop the event", USAGE)
    note(f"consumed by {', '.join(consumers)}")
    order = envelope.data
    match event_type:
        case "order.created":
            money = f"{getattr(order, 'total_amount', '')} {getattr(order, 'currency', '')}"
            note(f"payment CHARGES the customer {money}, unless order {order.order_id} is paid")
        case "order.cancelled" | "order.refunded":
            note(f"payment REFUNDS order {order.order_id}, if it was charged")
    return consumers
