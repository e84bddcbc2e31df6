"""Tables for people, Markdown for documents, JSON for programs."""

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rounds import Result
from bench.run import Run
from bench.targets import TARGETS

# figure -> heading, decimal places
COLUMNS: dict[str, tuple[str, int]] = {
    "messages": ("messages", 0),
    "requests": ("requests / 1,000", 0),
    "cpu": ("CPU ms / message", 3),
    "ratio": ("x limit", 2),
    "spread": ("spread", 2),
    "rate": ("messages / s", 0),
    "wall": ("wall s", 1),
    "utilisation": ("utilisation", 3),
    "latency p50": ("send to delete p50 ms", 0),
    "latency p99": ("p99 ms", 0),
    "start p50": ("send to handler p50 ms", 1),
    "start p99": ("p99 ms", 1),
    "duplicates": ("duplicates", 0),
    "stale": ("stale deletes", 0),
    "renewals": ("renewal requests", 0),
    "renewals needed": ("needed", 1),
    "lost": ("lost", 0),
    "rush": ("fruitless requests in a second", 0),
    "dead letters": ("dead letters", 0),
    "published": ("outcomes", 0),
    "dynamodb": ("DynamoDB / message", 3),
    "sqs": ("SQS / message", 3),
    "sns": ("SNS / message", 3),
    "idle requests": ("requests / min", 0),
    "idle cpu": ("CPU s / min", 3),
    "start cpu": ("CPU s", 2),
    "start wall": ("wall s", 2),
    "resident": ("RSS MiB", 0),
    "proportional": ("PSS MiB", 0),
    "processes": ("processes", 0),
}


def show(console: Console, result: Result) -> None:
    """Print the table of one scenario, and under it doubts and targets."""
    table = Table(title=result.scenario.title, title_justify="left", title_style="bold")
    table.add_column("peer")
    for heading in _headings(result):
        table.add_column(heading, justify="right")
    if result.problems:
        table.add_column("problem", overflow="fold")
    for row in _rows(result):
        table.add_row(*row, style="bold" if row[0].startswith("ours") else None)
    console.print(table)
    for line in _notes(result):
        console.print(line, style="red" if line.startswith(("MISSED", "The machine")) else "green")
    console.print()


def markdown(results: Sequence[Result]) -> str:
    """Write the tables for a document."""
    parts = []
    for result in results:
        heading = ["peer", *_headings(result), *(["problem"] if result.problems else [])]
        lines = [f"**{result.scenario.title}**", "", _line(heading)]
        lines += ["|---|" + "---:|" * (len(heading) - 1)]
        lines += [_line(row) for row in _rows(result)]
        lines += ["", *(f"- {note}" for note in _notes(result))]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def save(results: Sequence[Result], path: Path) -> None:
    """Write every run, and what the runs amount to, as JSON."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "botocore": version("botocore"),
        "scenarios": {
            result.scenario.name: {
                "title": result.scenario.title,
                "figures": result.figures,
                "problems": result.problems,
                "doubt": result.doubt,
                "targets": _verdicts(result),
                "runs": [asdict(run) for run in result.runs],
            }
            for result in results
        },
    }
    path.write_text(json.dumps(document, indent=1), "utf-8")


def progress(run: Run) -> str:
    """One line about a run that has ended."""
    if run.problem:
        return f"{run.scenario} {run.peer}: {run.problem}"
    shown = ("cpu", "requests", "utilisation", "idle requests", "idle cpu", "start cpu", "wall")
    figures = ", ".join(
        f"{COLUMNS[name][0]} {run.figures[name]:.{COLUMNS[name][1]}f}"
        for name in shown
        if run.figures.get(name)
    )
    return f"{run.scenario} {run.peer}: {figures}"


def _headings(result: Result) -> list[str]:
    return [COLUMNS[name][0] for name in result.scenario.columns]


def _rows(result: Result) -> Iterator[list[str]]:
    for peer, figures in result.figures.items():
        cells = [
            f"{figures[name]:,.{COLUMNS[name][1]}f}" if name in figures else "-"
            for name in result.scenario.columns
        ]
        yield [peer, *cells, *([result.problems.get(peer, "")] if result.problems else [])]


def _notes(result: Result) -> list[str]:
    return [*_verdicts(result), *([result.doubt] if result.doubt else [])]


def _verdicts(result: Result) -> list[str]:
    verdicts = (target.judge(result.figures) for target in TARGETS[result.scenario.name])
    return [str(verdict) for verdict in verdicts if verdict]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
