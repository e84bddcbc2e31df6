"""Follows terraform/README.md from an empty account to the first order, and back to nothing.

    make rehearsal ARGS="--orders 100"

Runs the very commands of the guide against the embedded AWS, in a copy of this checkout: the
account is prepared, an image is pushed, Terraform creates everything with its state in the bucket,
ECS's tasks run as processes under their roles, an order is placed with a token. In between, the
demo's orders go through two tasks of payment. Then the environment is destroyed.

Three things take the place of what only AWS has: ``docker`` and ``curl`` (standins.py), the tasks
of ECS (fargate.py), and the settings of account.py. Exits with 0 if everything held, with 1 if
not, and with 2 if a program or Terraform's provider is missing.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from local.aws.embedded import EmbeddedAws, EmbeddedAwsError
from local.child import NotReady
from local.demo.plan import MIN_ORDERS
from local.demo.run import DemoError
from local.rehearsal.container import Unfit
from local.rehearsal.guide import NoSuchSection
from local.rehearsal.report import Report
from local.rehearsal.roles import NotTrusted
from local.rehearsal.shell import CommandFailed, ProgramMissing
from local.rehearsal.terraform import Failed, Missing
from local.rehearsal.walk import Walk

DEFAULT_ORDERS: Final = 100
BROKEN: Final = 1  # exit code
MISSING: Final = 2  # exit code


def rehearse(directory: Path, orders: int) -> bool:
    """Follow the guide. Returns True if every expectation held.

    Raises ``ProgramMissing`` or ``Missing`` without a program or Terraform's provider,
    ``CommandFailed`` if a command of the guide fails, and what ``Fargate`` and ``Demo`` raise.
    """
    report = Report()
    with EmbeddedAws(log=directory / "aws.txt") as aws:
        os.environ |= aws.environment({})
        with Walk.begin(aws, directory, report) as walk:
            walk.create()
            walk.use(orders)
            walk.place_an_order()
            walk.deliver()
            walk.restore()
            walk.destroy()
    return report.held


def main() -> int:
    """Rehearse in a temporary directory. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make rehearsal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = f"number of orders of the demo (default: {DEFAULT_ORDERS})"
    parser.add_argument("--orders", type=int, default=DEFAULT_ORDERS, help=text)
    orders = max(MIN_ORDERS, parser.parse_args().orders)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        try:
            held = rehearse(Path(directory), orders)
        except (Missing, ProgramMissing) as error:
            console.print(error)
            return MISSING
        except (
            CommandFailed,
            DemoError,
            EmbeddedAwsError,
            Failed,
            NoSuchSection,
            NotReady,
            NotTrusted,
            Unfit,
        ) as error:
            console.print(f"FAILED: {error}")
            return BROKEN
    return 0 if held else BROKEN


if __name__ == "__main__":
    sys.exit(main())
