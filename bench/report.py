"""Formats results as tables, as Markdown and as JSON."""

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.columns import COLUMNS
from bench.rounds import Result
from bench.run import Run
from bench.summary import summary
from bench.targets import TARGETS


def show(console: Console, result: Result) -> None:
    """Print the table of one scenario, followed by targets and warnings."""
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


def show_summary(console: Console, results: Sequence[Result]) -> None:
    """Print the key figures of all scenarios, one row per peer."""
    heading, *rows = summary({each.scenario.name: each.figures for each in results})
    table = Table(title="All scenarios", title_justify="left", title_style="bold")
    for position, cell in enumerate(heading):
        table.add_column(cell, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row, style="bold" if row[0].startswith("ours") else None)
    console.print(table)


def markdown(results: Sequence[Result]) -> str:
    """Return all tables as Markdown, the summary first."""
    heading, *rows = summary({each.scenario.name: each.figures for each in results})
    parts = ["\n".join([_line(heading), _ruler(heading), *map(_line, rows)])]
    for result in results:
        heading = ["peer", *_headings(result), *(["problem"] if result.problems else [])]
        lines = [f"**{result.scenario.title}**", "", _line(heading)]
        lines += [_ruler(heading)]
        lines += [_line(row) for row in _rows(result)]
        lines += ["", *(f"- {note}" for note in _notes(result))]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def save(results: Sequence[Result], path: Path) -> None:
    """Write every run and the results to a JSON file."""
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
    """Return one line about a finished run."""
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


def _ruler(heading: Sequence[str]) -> str:
    return "|---|" + "---:|" * (len(heading) - 1)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
