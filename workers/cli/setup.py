"""``workers provision`` and ``workers smoke``: set up an emulator and test the system on it."""

import sys
from typing import Annotated

import typer

from workers.cli.console import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    Json,
    connect,
    counted,
    fail,
    note,
    print_json,
    say,
    show,
)
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


@commands.command(
    epilog="Examples: workers smoke --api http://127.0.0.1:8080; "
    "TOKEN=... workers smoke --api https://orders.example.com --json"
)
def smoke(
    api: Annotated[str, typer.Option(help="The address of order-api.")] = "http://127.0.0.1:8080",
    token: Annotated[
        str,
        typer.Option(
            envvar="TOKEN", help="The bearer token of a deployed API; it needs orders:operate."
        ),
    ] = "",
    *,
    as_json: Json = False,
) -> None:
    """Check how one order per scenario ends. Places orders in a running system.

    A deployed system may refuse to simulate a decline or a failure; those scenarios are skipped.
    """
    from workers.aws.endpoints import wrong_with
    from workers.ops.smoke import Smoke, SmokeError, everywhere

    if wrong := wrong_with(api):
        fail(f"--api: {wrong}", USAGE)
    settings, clients = connect()
    topology = Topology.load()
    dead_letters = everywhere(clients, settings, topology, note)
    max_attempts = topology.services["payment"].max_attempts
    play = Smoke(api, dead_letters, max_attempts=max_attempts, token=token, say=note)
    try:
        found = play.run()
    except SmokeError as error:
        fail(error, FAILED)
    except KeyboardInterrupt:
        fail("interrupted; the orders go on", INTERRUPTED)
    rows = [order.row() for order in found]
    if as_json:
        print_json(rows)
    else:
        show(rows)
    sys.exit(DONE if all(order.held for order in found) else FAILED)
