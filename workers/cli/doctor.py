"""``workers doctor``."""

import os
import sys
from dataclasses import asdict

import typer

from workers.cli.console import DONE, FAILED, Json, connect, counted, print_json, say
from workers.topology import Topology

commands = typer.Typer()


@commands.command(
    epilog="Example: AWS_PROFILE=prod NAME_PREFIX=prod- workers doctor --json",
)
def doctor(*, as_json: Json = False) -> None:
    """Compare what is deployed with the map: one line for each thing that is wrong.

    It changes nothing. Exit code 1 if there is a finding, or something could not be checked.
    """
    from workers.ops.doctor.examine import diagnose

    settings, clients = connect()
    found = diagnose(clients, settings, Topology.load(), os.environ)
    if as_json:
        print_json(asdict(found))
    else:
        say(f"{counted(found.checks, 'check')} in {found.place}, as {found.caller or 'nobody'}")
        for finding in found.findings:
            say(f"- {finding.line()}")
        say(counted(len(found.findings), "finding") if found.findings else "nothing is wrong")
    sys.stdout.flush()
    sys.exit(FAILED if found.findings else DONE)
