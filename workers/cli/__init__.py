"""The command line, one module per group of commands.

Exit codes: 0 done, 1 failed, 2 usage or settings, 75 interrupted.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from workers.cli import (
    audit,
    counts,
    customers,
    dlq,
    doctor,
    events,
    fleet,
    orders,
    outbox,
    queues,
    reconcile,
    replay,
    run,
    schema,
    setup,
    stock,
    top,
    trace,
)
from workers.cli.console import FAILED, USAGE, fail, say
from workers.runtime.errors import FatalError, PermanentError, SettingsError, Unavailable
from workers.settings import Settings
from workers.topology import TopologyError
from workers.version import VERSION

GROUPS: Final = (
    run,
    queues,
    top,
    trace,
    orders,
    customers,
    reconcile,
    doctor,
    fleet,
    dlq,
    audit,
    outbox,
    replay,
    events,
    schema,
    counts,
    stock,
    setup,
)  # in the order of --help
DEVELOPMENT: Final = "local.commands"  # in a checkout only: not in the wheel, not in the image
OF_THE_DEVELOPMENT_PACKAGE: Final = ("cheroot", "httpx", "moto")  # the extra "local"


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        say(f"workers {VERSION}")
        raise typer.Exit


def build() -> typer.Typer:
    """Build the command line. Development commands are included if their package is installed."""
    app = typer.Typer(
        add_completion=False,
        help="An event-driven order pipeline on SNS, SQS and containers.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for group in GROUPS:
        app.add_typer(group.commands)
    if _in_a_checkout():
        app.add_typer(import_module(DEVELOPMENT).commands)
    return app


def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options of every command."""


def _in_a_checkout() -> bool:
    """Return whether the development package stands beside this one, and not just its name."""
    checkout = Path(__file__).parents[2]
    found = find_spec(DEVELOPMENT.partition(".")[0])
    return found is not None and found.origin == str(checkout / "local" / "__init__.py")


def _place(error: Exception) -> str:
    """Say where a table was looked for that does not exist: usually the place is wrong."""
    from workers.aws.names import place_of

    place = place_of(error, Settings.load())
    return f"; looked in {place}" if place else ""


def main() -> None:
    """Run the command line and end the process."""
    try:
        build()()
    except (SettingsError, TopologyError) as error:
        fail(error, USAGE)
    except (FatalError, PermanentError, Unavailable) as error:
        fail(f"{error}{_place(error)}", FAILED)
    except ModuleNotFoundError as error:
        if error.name not in OF_THE_DEVELOPMENT_PACKAGE:
            raise
        fail(
            f"{error.name} is not installed. Install the development extra: "
            "pip install -e '.[local]'",
            FAILED,
        )
