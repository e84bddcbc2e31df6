"""``workers publish`` and ``workers schema``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.console import USAGE, connect, fail, say
from workers.topology import Topology

commands = typer.Typer()
schema = typer.Typer(help="The contract of the events.", no_args_is_help=True)
commands.add_typer(schema, name="schema")


@commands.command(epilog="Example: workers publish event.json")
def publish(
    file: Annotated[Path, typer.Argument(help="One envelope as JSON; - for standard input.")],
) -> None:
    """Publish one event to the topic, exactly as it stands in a file."""
    from workers.aws import names
    from workers.aws.sns import SnsTopic
    from workers.envelope import Encoded, EnvelopeError, decode

    try:
        # Bytes, not text: reading text would turn line ends into others.
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        event = Encoded.read(raw.decode())
        decode(event.body)
    except (OSError, UnicodeDecodeError, EnvelopeError) as error:
        fail(f"{file}: {error}", USAGE)
    settings, clients = connect()
    sns = clients.sns()
    topic = SnsTopic(sns, names.topic_arn(sns, settings, Topology.load().topic))
    if refused := topic.publish([event]):
        raise refused[0]
    say(f"published {event.attributes['eventType']} {event.event_id}")


@schema.command("export", epilog="Example: workers schema export build/schemas")
def schema_export(directory: Path) -> None:
    """Write a JSON Schema per event and an AsyncAPI document of the whole system."""
    from workers.ops.schema import export

    for path in export(directory):
        say(str(path))
