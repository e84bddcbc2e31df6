"""``workers publish`` and ``workers cloudevents``."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.console import (
    FAILED,
    USAGE,
    Json,
    Yes,
    connect,
    fail,
    note,
    print_json,
    say,
    table_of,
)
from workers.runtime.memory import INBOX_RETENTION
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

    The event may be a CloudEvent. Its source must be a service that publishes such events. It is
    signed where signing is on. A service that has handled the event before does nothing.
    """
    from workers.envelope import Encoded, EnvelopeError
    from workers.events import accepting
    from workers.settings import Settings
    from workers.signing import Signing

    topology, signing = Topology.load(), Signing.of(Settings.load())
    try:
        text = _read(file)
        if signing:
            text = signing.signed(text)
        event = Encoded.read(text)
        envelope = accepting(topology.publishers, signing.check if signing else None)(text)
    except (OSError, UnicodeDecodeError, EnvelopeError) as error:
        fail(f"{file}: {error}", USAGE)
    consumers = _announce(topology, envelope)
    if yes:
        _send(topology, event, envelope, reason)
    told = f"{envelope.event_type} {event.event_id}"
    if as_json:
        print_json({"event_id": event.event_id, "consumers": consumers, "published": yes})
    else:
        say(f"published {told}" if yes else f"would publish {told}; add --yes to apply")


def _read(file: Path) -> str:
    """Read bytes: reading text would translate line endings."""
    return (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode()


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
    if datetime.now(UTC) - envelope.occurred_at > INBOX_RETENTION:
        note(f"older than {INBOX_RETENTION.days} days: they dead-letter it as too_old")
    order = envelope.data
    match event_type:
        case "order.created":
            money = f"{getattr(order, 'total_amount', '')} {getattr(order, 'currency', '')}"
            note(f"payment CHARGES the customer {money}, unless order {order.order_id} is paid")
        case "order.cancelled" | "order.refunded":
            note(f"payment REFUNDS order {order.order_id}, if it was charged")
    return consumers


@commands.command(epilog="Example: workers cloudevents events.gz > cloudevents.jsonl")
def cloudevents(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Events, one per line, such as a file of the archive; - reads standard input.",
        ),
    ],
) -> None:
    """Write events as CloudEvents 1.0, one JSON document per line. Calls nothing.

    A line that is no event is reported, and left out.
    """
    from workers.envelope import EnvelopeError
    from workers.ops.cloudevents import lines

    refused = 0
    try:
        for number, found in enumerate(lines(file), start=1):
            if isinstance(found, EnvelopeError):
                refused += 1
                note(f"line {number}: {found}")
            else:
                say(found)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}", USAGE)
    if refused:
        fail(f"{refused} lines are no events", FAILED)
