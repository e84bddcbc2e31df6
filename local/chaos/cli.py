"""Runs ``workers chaos run``: prints the verdict and returns an exit code."""

import sys
from typing import Final

import orjson
from rich.console import Console

from local.aws.embedded import EmbeddedAwsError
from local.chaos.report import document, print_verdict, showing
from local.chaos.runner import Chaos, Options
from local.child import NotReady
from local.demo.cli import RUN_DIRECTORY
from workers.provision.provision import ProvisionError

HELD: Final = 0
BROKEN: Final = 1
INTERRUPTED: Final = 75


def run_chaos(options: Options, *, as_json: bool) -> int:
    """Run and print the verdict. Returns 0 if every invariant held."""
    console = Console(stderr=as_json, highlight=False)
    directory = RUN_DIRECTORY / "chaos"
    try:
        with showing(console) as show:
            verdict = Chaos(options, directory, show=show).run()
    except (EmbeddedAwsError, NotReady, ProvisionError) as error:
        console.print(f"workers: {error}", style="red", soft_wrap=True)
        console.print(f"To repeat: {options.command}", soft_wrap=True)
        return BROKEN
    except KeyboardInterrupt:
        return INTERRUPTED
    found = orjson.dumps(document(verdict), option=orjson.OPT_INDENT_2)
    (directory / "verdict.json").write_bytes(found + b"\n")
    if as_json:
        sys.stdout.buffer.write(found + b"\n")
    else:
        print_verdict(console, verdict)
    return HELD if verdict.held else BROKEN
