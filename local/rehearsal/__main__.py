"""The whole life of an environment, on this machine: made, used, and taken away again.

    make rehearsal ARGS="--orders 100"

Terraform makes everything on the embedded AWS, ECS's task definitions are started as processes
under their roles, orders go through two tasks of payment, and Terraform takes everything away.
Exits 0 if every order ended as planned and nothing is left.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from local.aws.embedded import EmbeddedAws
from local.demo.plan import MIN_ORDERS
from local.demo.run import Demo
from local.rehearsal.deployed import Deployed, handled_by
from local.rehearsal.fargate import Fargate
from local.rehearsal.terraform import Missing, Terraform

PREFIX = "dev-"
VARIABLES = {"image_tag": "rehearsal", "max_retries": 2}
TASKS = 2  # of payment


class Table:
    """Prints a line for every step: what, how long, what came of it."""

    def __init__(self):
        self.held = True
        self._print = Console(highlight=False, markup=False, soft_wrap=True).print

    @contextmanager
    def step(self, name):
        """Time a step; the block adds what came of it to the list it gets."""
        found, started = [], time.monotonic()
        yield found
        seconds = time.monotonic() - started
        self._print(f"{name:<18}{seconds:>7.1f} s  {', '.join(found)}")

    def expect(self, what, held):
        """Print one expectation and remember whether it held."""
        self.held = self.held and held
        self._print(f"  {'ok' if held else 'FAILED'}  {what}")


def rehearse(directory, orders):
    """Do it all; True if every expectation held. Raises ``Missing``."""
    table = Table()
    with EmbeddedAws(log=directory / "aws.txt") as aws:
        os.environ |= aws.environment({})
        with table.step("terraform init"):
            terraform = Terraform.copy(directory, dict(os.environ), **VARIABLES)
        with table.step("terraform apply") as found:
            outputs = terraform.apply()
            found.append(f"{len(terraform.resources())} resources")
        with table.step("terraform plan") as found:
            changes = terraform.changes()
            found.append(f"{len(changes)} changes")
        table.expect("a second plan is empty", not changes)
        with Fargate(aws.url, outputs["cluster"], directory / "tasks") as fargate:
            _use(table, Deployed(aws, fargate, directory / "tasks", PREFIX), orders)
        with table.step("terraform destroy") as found:
            terraform.destroy()
            found.append(f"{len(terraform.resources())} resources left")
        table.expect("nothing is left", not terraform.resources())
    return table.held


def _use(table, deployed, orders):
    fargate = deployed.processes
    with table.step("start tasks") as found:
        fargate.reconcile()
        fargate.scale("payment", TASKS)
        found.append(f"{len(fargate.tasks)} tasks, {TASKS} of payment")
    payments = fargate.of("payment")
    with table.step(f"{orders} orders") as found:
        result = Demo(deployed, orders=orders, seed=1, show=lambda _: None).run()
        found += [f"{count} {state}" for state, count in result.evidence.books.states.items()]
    for check in result.checks:
        table.expect(check.name + (f": {check.detail}" if not check.held else ""), check.held)
    handled = {task.child.name: handled_by(task) for task in payments}
    shares = ", ".join(f"{name} {count}" for name, count in handled.items())
    table.expect(f"every task of payment worked: {shares} messages", all(handled.values()))
    refused = [each for each in deployed.aws.rights() if each["verdict"] != "allowed"]
    table.expect(f"no role lacked a right{refused or ''}", not refused)
    with table.step("stop tasks"):
        codes = fargate.stop()
    table.expect(f"every task ended with 0: {sorted(set(codes.values()))}", not any(codes.values()))


def main():
    """Rehearse in a directory that is gone afterwards."""
    parser = argparse.ArgumentParser(prog="python -m local.rehearsal.__main__", description=__doc__)
    parser.add_argument("--orders", type=int, default=100)
    orders = max(MIN_ORDERS, parser.parse_args().orders)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        try:
            held = rehearse(Path(directory), orders)
        except Missing as missing:
            Console(stderr=True).print(missing)
            return 2
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
