"""Shows the demo: a live view, a summary as text, and the same as a JSON document."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.demo.checks import Check
from local.demo.run import Progress, Result

STATES: Final = ("pending", "confirmed", "cancelled")
OUTCOMES: Final = ("handled", "repeated", "ignored", "retried", "dead_lettered", "redelivered")
REFRESHES: Final = 8  # a second


@contextmanager
def showing(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show progress: a live view on a terminal, a line per stage elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=REFRESHES, transient=True) as live:
        yield lambda progress: live.update(_picture(progress))


class _Lines:
    """Prints a line when a stage starts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage = progress.stage
            seconds = time.monotonic() - progress.started
            self._console.print(f"{seconds:6.1f} s  {progress.stage}", highlight=False)


def _picture(progress: Progress) -> RenderableType:
    ended = sum(count for state, count in progress.states.items() if state != "pending")
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(f"{time.monotonic() - progress.started:5.1f} s"),
        ProgressBar(total=progress.planned, completed=ended, width=40),
        Text(f"{ended} of {progress.planned} orders finished"),
    )
    orders = "   ".join(f"{state} {progress.states.get(state, 0)}" for state in STATES)
    queues = Table(box=None, header_style="bold", padding=(0, 2))
    for name in ("queue", "visible", "in flight", "dead letters"):
        queues.add_column(name, justify="left" if name == "queue" else "right")
    for queue in progress.queues:
        dead = Text(str(queue.dead), style="red" if queue.dead else "dim")
        queues.add_row(queue.queue, str(queue.visible), str(queue.in_flight), dead)
    return Group(Text(progress.stage, style="bold"), bar, Text(orders), Text(), queues)


def summary(result: Result) -> dict[str, Any]:
    """Return the result as one JSON document."""
    evidence = result.evidence
    slowest, seconds = result.slowest
    return {
        "ok": result.held,
        "seconds": round(result.seconds, 1),
        "orders": {
            "total": len(result.planned),
            "byState": dict(evidence.tables.states),
            "byKind": dict(Counter(p.kind for p in result.planned.values())),
            "slowest": {"orderId": slowest, "seconds": round(seconds, 2)},
        },
        "queues": [
            {
                "service": queue.service,
                "visible": queue.visible,
                "inFlight": queue.in_flight,
                "deadLetters": queue.dead,
                "outcomes": dict(evidence.logs.outcomes.get(queue.service, {})),
            }
            for queue in evidence.queues
        ],
        "deadLetters": [
            {"service": service, "type": m.type, "reason": m.reason, "orderId": m.order_id}
            for service, letters in evidence.last_dead.items()
            for m in letters
        ],
        "takings": str(evidence.tables.revenue),  # the key that readers of the JSON know
        "stock": {sku: dict(stock) for sku, stock in evidence.tables.stock.items()},
        "outbox": evidence.tables.unpublished,
        "doubleCharges": double_charges(result),
        "mails": len(evidence.mails),
        "restarts": evidence.restarts,
        "awsRequests": result.requests,
        "awsCpuMsPerOrder": round(1000 * result.aws_cpu_seconds / len(result.planned), 1),
        "checks": [{"name": c.name, "ok": c.held, "detail": c.detail} for c in result.checks],
    }


def double_charges(result: Result) -> int:
    """Count the charges after the first of each order in the gateway's ledger."""
    charges = Counter(e.order_id for e in result.evidence.tables.ledger if e.kind == "charge")
    return sum(count - 1 for count in charges.values())


def print_summary(console: Console, result: Result) -> None:
    """Print the summary as text."""
    document = summary(result)
    console.print()
    console.print(_orders(document))
    console.print(_messages(document))
    for letter in document["deadLetters"]:
        console.print(
            f"dead letter in {letter['service']}: {letter['type']}: {letter['reason']}",
            highlight=False,
            soft_wrap=True,
        )
    requests = ", ".join(
        f"{name} {_total(counts)}" for name, counts in result.requests["services"].items()
    )
    total = result.requests["total"]
    console.print(f"AWS requests: {total} ({requests})", highlight=False, soft_wrap=True)
    console.print()
    for check in result.checks:
        console.print(_verdict(check))
    console.print()


def _orders(document: Mapping[str, Any]) -> RenderableType:
    orders = document["orders"]
    states = ", ".join(f"{count} {state}" for state, count in sorted(orders["byState"].items()))
    slowest = orders["slowest"]
    return Text(
        f"{orders['total']} orders in {document['seconds']} s: {states}\n"
        f"slowest: {slowest['orderId']} took {slowest['seconds']} s\n"
        f"revenue {document['takings']} EUR, {document['mails']} emails, "
        f"{document['restarts']} restarts"
    )


def _messages(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("messages of", no_wrap=True)
    for name in OUTCOMES:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for queue in document["queues"]:
        table.add_row(queue["service"], *(str(queue["outcomes"].get(o, 0)) for o in OUTCOMES))
    return table


def _verdict(check: Check) -> Text:
    mark = Text("ok  ", style="green") if check.held else Text("FAILED  ", style="bold red")
    return mark + Text(check.name) + Text("" if check.held else f": {check.detail}")


def _total(counts: object) -> int:
    return sum(counts.values()) if isinstance(counts, Mapping) else 0
