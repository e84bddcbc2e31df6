"""``workers local``: runs the system on this machine, shows it and restarts its parts."""

import sys
from typing import Annotated, Any, Final

import typer

from workers.cli.console import FAILED, USAGE, Json, fail, note, print_json, say, show
from workers.settings import misspelt
from workers.topology import Topology

commands = typer.Typer(
    help="Run the system on this machine until Ctrl-C, or ask the one that runs.",
    invoke_without_command=True,
    epilog="Examples: workers local --port 8080; workers local status; "
    "workers local restart payment --env ALLOW_SIMULATION=false",
)

API_PORT: Final = 8080
ENDPOINT_PORT: Final = 4566

Port = Annotated[int, typer.Option(help="Port of order-api; 0 picks a free port.")]
EndpointPort = Annotated[int, typer.Option(help="Port of the embedded AWS; 0 picks a free port.")]
Auth = Annotated[bool, typer.Option("--auth", help="Let order-api ask for tokens, and print two.")]


@commands.callback()
def default(
    context: typer.Context,
    port: Port = API_PORT,
    endpoint_port: EndpointPort = ENDPOINT_PORT,
    *,
    auth: Auth = False,
) -> None:
    """Run the system on this machine until Ctrl-C, or ask the one that runs."""
    if context.invoked_subcommand is None:
        up(port, endpoint_port, auth=auth)


@commands.command(epilog="Example: workers local up --port 8080 --endpoint-port 4566")
def up(
    port: Port = API_PORT, endpoint_port: EndpointPort = ENDPOINT_PORT, *, auth: Auth = False
) -> None:
    """Run the system on this machine until Ctrl-C (the default)."""
    from local.demo.cli import run_local

    sys.exit(run_local(port=port, endpoint_port=endpoint_port, auth=auth))


@commands.command(epilog="Example: workers local status --json")
def status(*, as_json: Json = False) -> None:
    """Show the processes of the system that runs in this directory, and its addresses."""
    found = _ask("status")
    if as_json:
        print_json(found)
        return
    show({**each, "log": each["log"].rpartition("/")[2]} for each in found["processes"])
    say(f"\norder-api  {found['api']}  (API reference: {found['reference']})")
    say(f"AWS        {found['aws']}  (region {found['region']})")
    say(f"logs       {found['logs']}")


@commands.command(epilog="Example: workers local restart payment --env ALLOW_SIMULATION=false")
def restart(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service in topology.json.")],
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Set for the new processes.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Stop the processes of a service and start new ones, with a changed environment if asked."""
    services = Topology.load().services
    if service not in services:
        fail(f"no service {service!r}. Services: {', '.join(services)}", USAGE)
    environment = dict(_pair(each) for each in env or ())
    for name, setting in misspelt(environment).items():
        note(f"{name} is read by nothing; did you mean {setting}?")
    codes = _ask("restart", service=service, environment=environment)
    if as_json:
        print_json({"service": service, "ended": codes, "environment": sorted(environment)})
    else:
        ended = ", ".join(f"{name} ended with {code}" for name, code in codes.items())
        say(f"{ended}; {service} is ready again")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        fail("--env takes NAME=VALUE", USAGE)  # without the text, which may be a secret
    return name, value


def _ask(action: str, **fields: Any) -> Any:
    from local.control import NotRunning, Refused, ask
    from local.demo.cli import SOCKET

    try:
        return ask(SOCKET, action, **fields)
    except (NotRunning, Refused) as error:
        fail(error, FAILED)
