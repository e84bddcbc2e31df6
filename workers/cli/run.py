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
    """Run one service until SIGTERM. A container runs one service."""
    topology, settings = Topology.load(), Settings.load()
    if service not in topology.services:
        fail(f"no service {service!r}. Services: {', '.join(topology.services)}", USAGE)
    lines = logs.configure(settings.log_level, service=service)
    # Until there is work to finish. The kernel ignores SIGTERM for the first process of a container
    # unless the process has a handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leave(lines, DONE))
    # The AWS adapters take long to import; --help and usage errors should not wait for them.
    from workers import bootstrap, process

    leave(lines, process.run(lambda: bootstrap.build(service, settings, topology), settings))


@commands.command(epilog="Example: workers healthcheck --ready")
def healthcheck(
    *,
    ready: Annotated[
        bool, typer.Option("--ready", help="Check whether the service receives work.")
    ] = False,
) -> None:
    """Check the service in this container: exit code 0 or 1."""
    sys.exit(ask(Settings.load().metrics_port, ready=ready))
