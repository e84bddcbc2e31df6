"""``workers run`` and ``workers healthcheck``."""

import signal
import sys
from typing import Annotated

import typer

from workers.cli.console import DONE, USAGE, ServiceName, fail, leave
from workers.healthcheck import ask
from workers.runtime.observability import logs
from workers.settings import Settings
from workers.topology import Topology

commands = typer.Typer()


@commands.command(epilog="Example: workers run payment")
def run(service: ServiceName) -> None:
    """Run one service until it is stopped: a long-running process, one per container."""
    topology, settings = Topology.load(), Settings.load()
    if service not in topology.services:
        fail(f"no service {service!r}: one of {', '.join(topology.services)}", USAGE)
    lines = logs.configure(settings.log_level, service=service)
    # Until there is something to finish. Without a handler the first process of a container
    # would not even be ended by SIGTERM.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leave(lines, DONE))
    # Everything that talks to AWS takes long to import; --help and mistakes should not wait.
    from workers import bootstrap

    leave(lines, bootstrap.run(service, settings, topology))


@commands.command()
def healthcheck(
    *,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it takes work.")] = False,
) -> None:
    """Ask the process in this container whether it lives: exit code 0 or 1."""
    sys.exit(ask(Settings.load().metrics_port, ready=ready))
