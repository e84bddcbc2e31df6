"""``workers trace``."""

from dataclasses import asdict
from typing import Annotated

import typer

from workers.cli.console import USAGE, Json, connect, fail, print_json, say
from workers.topology import Topology

commands = typer.Typer()


@commands.command(epilog="Example: workers trace 5b0c7a4e-9d6e-4c6b-8f0e-2f9b6b1f6f0a")
def trace(
    wanted: Annotated[
        str, typer.Argument(metavar="ORDER_ID|CORRELATION_ID", help="An order, or its first event.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Show the story of one order: each step at each service, with times, and what is missing.

    Reads about five batches of rows. Changes nothing.
    """
    from workers.cli.waterfall import lines_of
    from workers.ops.trace import Tracer

    settings, clients = connect()
    story = Tracer(clients.dynamodb(), settings, Topology.load()).trace(wanted)
    if story is None:
        fail(
            f"no order and no first event has the id {wanted!r}. order-api's answers and every log "
            "line have the ids; to search by address: workers order show --email ADDRESS",
            USAGE,
        )
    if as_json:
        print_json(asdict(story) | {"settled": story.settled})
        return
    state = story.state or "no such order"
    say(f"order {story.order_id}: {state}; correlation id {story.correlation_id}")
    for line in lines_of(story):
        say(line)
    for text in story.unknown:
        say(f"unknown: {text}")
    for text in story.missing:
        say(f"missing: {text}")
    if story.settled:
        say("nothing is missing: every consumer has handled every event")
