"""The command line, one module per group of commands.

Exit codes: 0 done, 1 failed, 2 usage or settings, 75 interrupted.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import typer

from workers.cli import (
    audit,
    counts,
    dlq,
    events,
    fleet,
    outbox,
    queues,
    replay,
    run,
    setup,
    stock,
    top,
)
from workers.cli.console import FAILED, USAGE, fail
from workers.runtime.errors import FatalError, PermanentError, SettingsError, Unavailable
from workers.topology import TopologyError

DEVELOPMENT: Final = "local.commands"  # in a checkout only: not in the wheel, not in the image
OF_THE_DEVELOPMENT_PACKAGE: Final = ("cheroot", "httpx", "moto")  # the extra "local"


def build() -> typer.Typer:
    """Build the command line. Development commands are included if their package is installed."""
    app = typer.Typer(
        add_completion=False,
        help="An event-driven order pipeline on SNS, SQS and containers.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    groups = (run, events, queues, top, fleet, counts, dlq, audit, replay, outbox, stock, setup)
    for group in groups:
        app.add_typer(group.commands)
    if _in_a_checkout():
        app.add_typer(import_module(DEVELOPMENT).commands)
    return app


def _in_a_checkout() -> bool:
    """Return whether the development package stands beside this one, and not just its name."""
    checkout = Path(__file__).parents[2]
    found = find_spec(DEVELOPMENT.partition(".")[0])
    return found is not None and found.origin == str(checkout / "local" / "__init__.py")


def main() -> None:
    """Run the command line and end the process."""
    try:
        build()()
    except (SettingsError, TopologyError) as error:
        fail(error, USAGE)
    except (FatalError, PermanentError, Unavailable) as error:
        fail(error, FAILED)
    except ModuleNotFoundError as error:
        if error.name not in OF_THE_DEVELOPMENT_PACKAGE:
            raise
        fail(
            f"{error.name} is not installed. Install the development extra: "
            "pip install -e '.[local]'",
            FAILED,
        )
