"""``workers reconcile``."""

import sys
import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from workers.cli.console import (
    DONE,
    FAILED,
    USAGE,
    Json,
    connect,
    counted,
    fail,
    note,
    print_json,
    say,
)
from workers.cli.durations import FORM, seconds_of
from workers.topology import Topology

if TYPE_CHECKING:
    from workers.ops.reconcile import Reconciliation
    from workers.settings import Settings

MOST: Final = 1_000  # differences in a JSON document; all are counted
INTERRUPTED: Final = 75

commands = typer.Typer()


@commands.command(epilog="Example: workers reconcile --json")
def reconcile(
    *,
    grace: Annotated[
        str, typer.Option(help="Leave out what changed in this time: 90s, 10m, 2h, 1d.")
    ] = "10m",
    as_json: Json = False,
) -> None:
    """Compare orders, payments, ledger, refunds, reservations, stock, mails and outbox.

    Prints each difference with what to do about it; exits with 1 if there is any. Changes nothing.
    It reads three tables and about ten rows per order: two to three USD for a million orders. What
    still moves, or waits in a queue, is in progress and no difference.
    """
    from workers.ops.reconcile import Reconciliation

    seconds = 0 if grace == "0s" else seconds_of(grace)
    if seconds is None:
        fail(f"--grace {grace!r}: {FORM}", USAGE)
    settings, clients = connect()
    run = Reconciliation(
        _library(settings, clients),
        datetime.now(UTC),
        _backlog(settings, clients),
        timedelta(seconds=seconds),
    )
    counts, kept = Counter[str](), list[dict[str, str]]()
    try:
        for each in run.differences():
            counts[each.kind] += 1
            if len(kept) < MOST:
                kept.append(asdict(each))
            if not as_json:
                say(f"{each.kind} {each.subject}: {each.what}. {each.action}")
    except KeyboardInterrupt:
        fail(f"interrupted after {counted(counts.total(), 'difference')}", INTERRUPTED)
    _report(run, counts, kept, as_json=as_json)
    if settings.environment:
        _log(settings.environment, run, counts)
    sys.exit(FAILED if counts else DONE)


def _library(settings: "Settings", clients: Any) -> Any:
    from workers.ops.books import Library

    return Library(clients.dynamodb(), settings, Topology.load())


def _backlog(settings: "Settings", clients: Any) -> Any:
    from workers.aws import names
    from workers.aws.sqs import depth

    sqs = clients.control()

    def backlog(service: str) -> int:
        found = depth(sqs, names.queue_url(sqs, settings, service))
        return found.visible + found.in_flight + found.delayed

    return backlog


def _report(
    run: "Reconciliation", counts: Counter[str], kept: list[dict[str, str]], *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "orders": run.orders,
                "differences": kept,
                "counts": dict(counts),
                "in_progress": run.in_progress,
                "busy_items": run.busy,
            }
        )
        return
    if run.busy:
        note(f"sold meanwhile, so their stock was not compared: {', '.join(run.busy)}")
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
    summary = f"{counted(counts.total(), 'difference')} in {counted(run.orders, 'order')}"
    say(summary + (f": {kinds}" if kinds else "") + f"; {run.in_progress} in progress")


def _log(environment: str, run: "Reconciliation", counts: Counter[str]) -> None:
    """Write the result as one line of metrics; to standard error, since standard output has JSON.

    The line has the counts by kind as a field; the alarm watches their sum.
    """
    from workers.ops.reports import differences

    line = differences(counts.total(), environment=environment, now=time.time())
    line |= {"event": "reconciled", "orders": run.orders, "kinds": dict(counts)}
    sys.stderr.write(orjson.dumps(line).decode() + "\n")
