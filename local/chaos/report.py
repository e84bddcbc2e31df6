"""Formats the verdict as text and as a JSON document."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from local.chaos.checker import INVARIANTS, UNPLANNED
from local.chaos.history import PLACE, verdicts
from local.chaos.runner import Progress, Verdict

SHOWN: Final = 5  # violations printed per invariant
REFRESHES: Final = 8  # a second
KINDS: Final = ("lost", "doubled", "phantom")


def document(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as a JSON document."""
    evidence, options = verdict.evidence, verdict.options
    orders = Counter(op.type for op in verdicts(evidence.history, PLACE).values())
    letters = sum(map(len, evidence.dead.values()))
    unplanned = sum(v.what.startswith(UNPLANNED) for v in verdict.violations)
    return {
        "ok": verdict.held,
        "seed": options.seed,
        "command": options.command,
        "beside": verdict.other_version,
        "seconds": round(verdict.seconds, 1),
        "cpuSeconds": round(verdict.cpu_seconds, 1),
        "orders": {
            "acknowledged": orders["acknowledged"],
            "unknown": orders["unknown"] + orders["invoked"],
            "failed": orders["failed"],
        },
        "requests": sum(op.type == "invoked" for op in evidence.history),
        "events": len({event.id for event in evidence.audit}),
        "deliveries": len(evidence.audit),
        "faults": {**verdict.done, "injected": dict(verdict.injected)},
        **{kind: sum(v.what.startswith(f"{kind}:") for v in verdict.violations) for kind in KINDS},
        "deadLetters": {
            "planted": len(evidence.planted),
            "copies": max(0, letters - unplanned - len(evidence.planted)),
            "others": unplanned,
        },
        "logs": evidence.directory,
        "violations": [
            {"invariant": v.invariant, "what": v.what, "ids": list(filter(None, v.ids))}
            for v in verdict.violations
        ],
    }


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print the verdict as text."""

    def say(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    found = document(verdict)
    orders, done = found["orders"], found["faults"]
    injected = ", ".join(f"{mode} {times}" for mode, times in sorted(done["injected"].items()))
    say("")
    say(
        f"{sum(orders.values())} orders in {found['seconds']} s: {orders['acknowledged']} "
        f"acknowledged, {orders['unknown']} unknown, {orders['failed']} failed"
    )
    say(
        f"{done['kill'] + done['crash']} kills ({done['crash']} at crash points), "
        f"{done['stop']} stops, {done['partition']} partitions, {done['deploy']} deploys; "
        f"faults in requests to AWS: {injected or 'none'}"
    )
    say(
        f"{found['events']} events, {found['lost']} lost, {found['doubled']} doubled, "
        f"{found['phantom']} phantom; dead letters: {found['deadLetters']['planted']} planned, "
        f"{found['deadLetters']['copies']} copies, {found['deadLetters']['others']} others"
    )
    if verdict.other_version:
        say(f"other version: {verdict.other_version}")
    say("")
    broken = Counter(v.invariant for v in verdict.violations)
    for name, invariant in INVARIANTS.items():
        text = (invariant.__doc__ or "").split(": ", 1)[-1].rstrip(".")
        console.print(_mark(held=not broken[name]) + Text(f"{name:4}{text}"), soft_wrap=True)
        for violation in [v for v in verdict.violations if v.invariant == name][:SHOWN]:
            say(f"          {violation.what}  {' '.join(violation.ids)}", "red")
        if broken[name] > SHOWN:
            say(f"          and {broken[name] - SHOWN} more", "red")
    say("")
    say(f"Logs, history and recorded deliveries: {found['logs']}")
    say(f"To repeat: {found['command']}")


def _mark(*, held: bool) -> Text:
    return Text("ok      ", style="green") if held else Text("BROKEN  ", style="bold red")


@contextmanager
def showing(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show progress: a live line on a terminal, a line per stage elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=REFRESHES, transient=True) as live:
            yield lambda progress: live.update(Text(_line(progress)))
        return
    stage = ""

    def show(progress: Progress) -> None:
        nonlocal stage
        if progress.stage != stage:
            stage = progress.stage
            console.print(_line(progress), highlight=False)

    yield show


def _line(progress: Progress) -> str:
    done = ", ".join(f"{fault} {times}" for fault, times in sorted(progress.done.items()))
    return (
        f"{time.monotonic() - progress.started:6.1f} s  {progress.stage}: "
        f"{progress.placed} of {progress.planned} orders, {progress.waiting} messages  {done}"
    )
