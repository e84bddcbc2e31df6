"""``workers top``."""

import typer

from workers.cli.console import FAILED, fail
from workers.settings import Settings
from workers.topology import Topology

commands = typer.Typer()


@commands.command(epilog="Example: workers top")
def top() -> None:
    """Show queues, workers, outbox and failures, live; pause and resume with a key."""
    try:
        from workers.cli.top_screen import Top
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        fail("textual is not installed. Install the extra: pip install 'workers[ops]'", FAILED)
    from workers.aws.clients import FOR_A_PERSON, Clients
    from workers.ops.live import Live
    from workers.ops.queues import AT_ONCE

    settings, topology = Settings.load(), Topology.load()
    clients = Clients.connect(settings, threads=AT_ONCE, patience=FOR_A_PERSON, transport="boto3")
    Top(Live(clients, settings, topology)).run()
