"""``workers provision`` and ``workers smoke``: set up an emulator and test the system on it."""

import sys
from typing import Annotated

import typer

from workers.cli.console import DONE, FAILED, Json, connect, counted, fail, print_json, say, show
from workers.settings import Settings
from workers.topology import Topology

commands = typer.Typer()


@commands.command(epilog="Example: AWS_ENDPOINT_URL=http://127.0.0.1:4566 workers provision")
def provision(
    stock: Annotated[int, typer.Option(min=0, help="Units of each sample item to add.")] = 0,
) -> None:
    """Create the resources in topology.json on an emulator. On AWS, use Terraform."""
    from workers.provision.provision import ProvisionError
    from workers.provision.provision import provision as provision_all

    try:
        report = provision_all(Settings.load(), Topology.load(), say, stock=stock)
    except ProvisionError as error:
        fail(error, FAILED)
    say(f"up to date ({counted(len(report.changes), 'change')})")


@commands.command(epilog="Example: workers smoke --api http://127.0.0.1:8080")
def smoke(
    api: Annotated[str, typer.Option(help="The address of order-api.")] = "http://127.0.0.1:8080",
    *,
    as_json: Json = False,
) -> None:
    """Check how one order per scenario ends. Needs a running system."""
    from workers.ops.smoke import Smoke, SmokeError, everywhere

    settings, clients = connect()
    topology = Topology.load()
    dead_letters = everywhere(clients, settings, topology)
    max_attempts = topology.services["payment"].max_attempts
    try:
        found = Smoke(api, dead_letters, max_attempts=max_attempts).run()
    except SmokeError as error:
        fail(error, FAILED)
    rows = [order.row() for order in found]
    if as_json:
        print_json(rows)
    else:
        show(rows)
    sys.exit(DONE if all(order.held for order in found) else FAILED)
