"""Formats results as tables, as Markdown and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.columns import COLUMNS
from bench.figures import Figures
from bench.rounds import Result
from bench.run import Run
from bench.scenarios import SCENARIOS
from bench.stamp import stamp
from bench.summary import summary
from bench.targets import TARGETS

_WIDEST = 14  # columns of a table with a row per peer
BYPASS = (
    "This project's receive loop does without the SDK's client for SQS (workers/aws/wire.py); the "
    "other peers in Python use it. x wire compares like with like: limit-wire is the smallest "
    "program on this project's wire."
)


def show(console: Console, result: Result) -> None:
    """Print the table of one scenario, followed by targets and warnings."""
    heading, *rows = _grid(result)
    table = Table(title=result.scenario.title, title_justify="left", title_style="bold")
    for position, cell in enumerate(heading):
        table.add_column(cell, justify="right" if position else "left", overflow="fold")
    for row in rows:
        table.add_row(*row, style="bold" if row[0].startswith("ours") else None)
    console.print(table)
    for line in _notes(result):
        console.print(line, style=_style(line), soft_wrap=True)
    console.print()


def _style(line: str) -> str | None:
    if line.startswith(("MISSED", "The machine")):
        return "red"
    return "green" if line.startswith("met") else None


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
        heading, *rows = _grid(result)
        lines = [f"**{result.scenario.title}**", "", _line(heading), _ruler(heading)]
        lines += map(_line, rows)
        lines += ["", *(f"- {note}" for note in _notes(result))]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def save(results: Sequence[Result], path: Path) -> None:
    """Write every run and the results to a JSON file."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **stamp(),
        "scenarios": {
            result.scenario.name: {
                "title": result.scenario.title,
                "figures": result.figures,
                "problems": result.problems,
                "ranges": result.ranges,
                "doubts": result.doubts,
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
    unit = SCENARIOS[run.scenario].unit
    figures = ", ".join(
        f"{COLUMNS[name][0].replace('message', unit)} {run.figures[name]:.{COLUMNS[name][1]}f}"
        for name in shown
        if run.figures.get(name)
    )
    return f"{run.scenario} {run.peer}: {figures}"


def _grid(result: Result) -> list[list[str]]:
    """Lay out a row per peer, or a column per peer if there are many figures; heading first."""
    scenario = result.scenario
    headings = [COLUMNS[name][0].replace("message", scenario.unit) for name in scenario.columns]
    rows = [["peer", *headings, *(["problem"] if result.problems else [])], *_rows(result)]
    if len(rows[0]) <= _WIDEST:
        return rows
    return [list(column) for column in zip(*rows, strict=True)]


def _rows(result: Result) -> Iterator[list[str]]:
    for peer, figures in result.figures.items():
        cells = [
            _cell(name, figures, result.ranges.get(peer, {})) for name in result.scenario.columns
        ]
        yield [peer, *cells, *([result.problems.get(peer, "")] if result.problems else [])]


def _cell(name: str, figures: Figures, ranges: Mapping[str, tuple[float, float]]) -> str:
    """Return a median, with the lowest and the highest of the rounds if they look different."""
    if name not in figures:
        return "-"
    places = COLUMNS[name][1]
    middle = f"{figures[name]:,.{places}f}"
    low, high = (f"{each:,.{places}f}" for each in ranges.get(name, (figures[name],) * 2))
    return middle if low == high else f"{middle} ({low} to {high})"


def _notes(result: Result) -> list[str]:
    return [*_verdicts(result), *result.doubts, *_remarks(result)]


def _remarks(result: Result) -> list[str]:
    """Return what a reader of the ratios has to know."""
    return [BYPASS] if {"ratio", "wire"} & set(result.scenario.columns) else []


def _verdicts(result: Result) -> list[str]:
    verdicts = (target.judge(result.figures) for target in TARGETS[result.scenario.name])
    return [str(verdict) for verdict in verdicts if verdict]


def _ruler(heading: Sequence[str]) -> str:
    return "|---|" + "---:|" * (len(heading) - 1)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
