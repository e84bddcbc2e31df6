"""``workers publish`` and ``workers schema``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.console import USAGE, connect, fail, say
from workers.topology import Topology

commands = typer.Typer()
schema = typer.Typer(help="JSON Schemas of the events.", no_args_is_help=True)
commands.add_typer(schema, name="schema")


@commands.command(epilog="Example: workers publish event.json")
def publish(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A JSON file with one envelope; - reads standard input."
        ),
    ],
) -> None:
    """Publish one event to the topic, byte for byte."""
    from workers.aws import names
    from workers.aws.sns import SnsTopic
    from workers.envelope import Encoded, EnvelopeError
    from workers.events import decode

    try:
        # Read bytes: reading text would translate line endings.
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
def schema_export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="The folder to write to; created if absent.")
    ],
) -> None:
    """Write the JSON Schemas and an AsyncAPI document."""
    from workers.ops.schema import export

    for path in export(directory):
        say(str(path))
