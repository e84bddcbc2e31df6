"""Rehearses the life of an environment on this machine: create it, use it, destroy it.

    make rehearsal ARGS="--orders 100"

Terraform creates all resources in the embedded AWS. The ECS task definitions run as processes
under their roles and process orders, with two tasks of payment. Then Terraform destroys all.
Exits with 0 if every order ended as planned and no resource is left, with 1 if not, and with 2 if
Terraform or its provider is missing.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from local.aws.embedded import EmbeddedAws, EmbeddedAwsError
from local.child import NotReady
from local.demo.plan import MIN_ORDERS
from local.demo.run import Demo, DemoError
from local.rehearsal.container import Unfit
from local.rehearsal.deployed import Deployed, handled_by
from local.rehearsal.fargate import Fargate
from local.rehearsal.registry import create_registry
from local.rehearsal.roles import NotTrusted
from local.rehearsal.terraform import Failed, Missing, Terraform

PREFIX: Final = "dev-"
IMAGE_TAG: Final = "rehearsal"
TASKS: Final = 2  # of payment
BROKEN: Final = 1  # exit code
MISSING: Final = 2  # exit code


class Report:
    """Prints the steps with their duration and result, and the expectations."""

    def __init__(self) -> None:
        self.held = True
        self._print = Console(highlight=False, markup=False, soft_wrap=True).print

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step. The block appends its results to the list it receives."""
        results: list[str] = []
        started = time.monotonic()
        yield results
        seconds = time.monotonic() - started
        self._print(f"{name:<18}{seconds:>7.1f} s  {', '.join(results)}")

    def expect(self, what: str, *, held: bool) -> None:
        """Print one expectation, and remember if it failed."""
        self.held = self.held and held
        self._print(f"  {'ok' if held else 'FAILED'}  {what}")


def rehearse(directory: Path, orders: int) -> bool:
    """Run all steps. Returns True if every expectation held.

    Raises ``Missing`` without Terraform or its provider, ``Failed`` if a command of Terraform
    fails, and what ``Fargate`` and ``Demo`` raise.
    """
    report = Report()
    with EmbeddedAws(log=directory / "aws.txt") as aws:
        os.environ |= aws.environment({})
        with report.step("terraform init"):
            terraform = Terraform.copy(
                directory, dict(os.environ), image_tag=IMAGE_TAG, max_retries=2
            )
        with report.step("push image"):
            create_registry(IMAGE_TAG)
        with report.step("terraform apply") as results:
            outputs = terraform.apply()
            results.append(f"{len(terraform.resources())} resources")
        with report.step("terraform plan") as results:
            changes = terraform.changes()
            results.append(f"{len(changes)} changes")
        report.expect("a second plan is empty", held=not changes)
        with Fargate(aws.url, outputs["cluster"], directory / "tasks") as fargate:
            _use(report, Deployed(aws, fargate, directory / "tasks", PREFIX), orders)
        with report.step("terraform destroy") as results:
            terraform.destroy()
            results.append(f"{len(terraform.resources())} resources left")
        report.expect("no resource is left", held=not terraform.resources())
    return report.held


def _use(report: Report, deployed: Deployed, orders: int) -> None:
    fargate = deployed.processes
    with report.step("start tasks") as results:
        fargate.reconcile()
        fargate.scale("payment", TASKS)
        results.append(f"{len(fargate.tasks)} tasks, {TASKS} of payment")
    payments = fargate.of("payment")
    with report.step(f"{orders} orders") as results:
        result = Demo(deployed, orders=orders, seed=1, show=lambda _: None).run()
        results += [f"{count} {state}" for state, count in result.evidence.tables.states.items()]
    for check in result.checks:
        report.expect(check.name + (f": {check.detail}" if not check.held else ""), held=check.held)
    handled = {task.child.name: handled_by(task) for task in payments}
    shares = ", ".join(f"{name} {count}" for name, count in handled.items())
    report.expect(f"every task of payment handled messages: {shares}", held=all(handled.values()))
    refused = [each for each in deployed.aws.rights() if each["verdict"] != "allowed"]
    report.expect(f"no role lacked a right{refused or ''}", held=not refused)
    with report.step("stop tasks"):
        codes = fargate.stop()
    exits = sorted(set(codes.values()))
    report.expect(f"every task exited with code 0: {exits}", held=not any(codes.values()))


def main() -> int:
    """Rehearse in a temporary directory. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make rehearsal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--orders", type=int, default=100, help="number of orders (default: 100)")
    orders = max(MIN_ORDERS, parser.parse_args().orders)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        try:
            held = rehearse(Path(directory), orders)
        except Missing as error:
            console.print(error)
            return MISSING
        except (DemoError, EmbeddedAwsError, Failed, NotReady, NotTrusted, Unfit) as error:
            console.print(f"FAILED: {error}")
            return BROKEN
    return 0 if held else BROKEN


if __name__ == "__main__":
    sys.exit(main())
