"""Formats results as tables and as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill

from rich.console import Console
from rich.table import Table

from bench.columns import COLUMNS
from bench.figures import Figures
from bench.rounds import Result
from bench.run import Run
from bench.scenarios import SCENARIOS
from bench.summary import summary

_WIDEST = 14  # columns of a table with a row per peer
_LONGEST_LINE = 100  # characters of Markdown, tables excepted
BYPASS = (
    "This project sends its hot requests without the SDK's client (workers/aws); all other peers "
    "in Python but limit-wire use it."
)
LIKE_WITH_LIKE = (
    "x wire compares like with like: limit-wire is the smallest program on this project's wire."
)


def show(console: Console, result: Result) -> None:
    """Print the table of one scenario, followed by targets and warnings."""
    heading, *rows = _grid(result)
    table = Table(title=result.scenario.title, title_justify="left", title_style="bold")
    for position, cell in enumerate(heading):
        table.add_column(cell, justify="right" if position else "left", overflow="fold")
    for row in rows:
        table.add_row(*row, style="bold" if _is_ours(row[0]) else None)
    console.print(table)
    for line in _notes(result):
        console.print(line, style=_style(line), soft_wrap=True)
    console.print()


def _is_ours(peer: str) -> bool:
    return peer.startswith("ours")


def _style(line: str) -> str | None:
    if line.startswith(("MISSED", "The machine")):
        return "red"
    return "green" if line.startswith("met") else None


def show_summary(console: Console, results: Sequence[Result]) -> None:
    """Print the key figures of all scenarios, one row per peer."""
    heading, *rows = summary({each.scenario.name: each.figures for each in results})
    if not rows:
        return
    table = Table(title="All scenarios", title_justify="left", title_style="bold")
    for position, cell in enumerate(heading):
        table.add_column(cell, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row, style="bold" if _is_ours(row[0]) else None)
    console.print(table)


def markdown(results: Sequence[Result]) -> str:
    """Return all tables as Markdown; the key figures and the missed targets come first."""
    heading, *rows = summary({each.scenario.name: each.figures for each in results})
    overview = ["### All scenarios", _table(heading, rows)] if rows else []
    parts = [*overview, *_missed(results)]
    for result in results:
        heading, *rows = _grid(result)
        parts += [f"### {result.scenario.name}", f"{result.scenario.title}.{_origin(result)}"]
        parts += [_table(heading, rows), "\n".join(map(_item, _notes(result)))]
    return "\n\n".join(part for part in parts if part)


def _missed(results: Sequence[Result]) -> list[str]:
    """List the targets that were missed or not judged, and our peers that failed."""
    lines = [
        f"{result.scenario.name}: {line}"
        for result in results
        for line in (
            *(str(verdict) for verdict in result.verdicts if not verdict.met),
            *(f"not measured: {target}" for target in result.unjudged),
            *(f"{peer}: {why}" for peer, why in result.problems.items() if _is_ours(peer)),
        )
    ]
    return ["### Missed targets", "\n".join(map(_item, lines))] if lines else []


def _origin(result: Result) -> str:
    """Return the command, the code and the machine, as lines of a paragraph."""
    stamp = dict(result.stamp)
    command = stamp.pop("command", None)
    parts = [f"rounds {result.rounds}", *(f"{name} {text}" for name, text in stamp.items())]
    told = ", ".join(parts)
    return (f"\n`{command}`:" if command else "") + f"\n{_wrapped(told)}."


def _item(text: str) -> str:
    return _wrapped(f"- {text}", indent="  ")


def _wrapped(text: str, *, indent: str = "") -> str:
    return fill(text, _LONGEST_LINE, subsequent_indent=indent, break_on_hyphens=False)


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
    return [*map(str, result.verdicts), *result.doubts, *_remarks(result)]


def _remarks(result: Result) -> list[str]:
    """Return what a reader has to know who compares CPU times."""
    if {"ratio", "wire"} & set(result.scenario.columns):
        return [f"{BYPASS} {LIKE_WITH_LIKE}"]
    return [BYPASS] if result.scenario.kind in {"order", "api"} else []


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_line(heading), _ruler(heading), *map(_line, rows)])


def _ruler(heading: Sequence[str]) -> str:
    return "|---|" + "---:|" * (len(heading) - 1)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
