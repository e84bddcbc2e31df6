"""Shared by every command: exit codes, options, and printing. No other module prints."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, NoReturn

import orjson
import typer

from workers.runtime.observability.log_writer import LogWriter
from workers.settings import Settings, misspelt
from workers.topology import Topology

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 75  # EX_TEMPFAIL of sysexits
WIDE: Final = 500  # characters

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", help="Apply the change (default: dry run).")]
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="A service in topology.json.")]


def known(service: str) -> None:
    """Exit with a usage error unless the service has a queue."""
    consumers = Topology.load().consumers
    if service not in consumers:
        fail(
            f"no queue for service {service!r}. Services with a queue: {', '.join(consumers)}",
            USAGE,
        )


def connect(threads: int = 1) -> tuple[Settings, Any]:
    """Load the settings and connect to AWS; return the settings and the clients.

    A variable that resembles a setting is mentioned: the command goes on without it.
    """
    from workers.aws.clients import Clients

    settings = Settings.load()
    for variable, setting in misspelt(os.environ).items():
        note(f"{variable} is read by nothing; did you mean {setting}?")
    # One command at a time: the SDK's own client is fast enough.
    return settings, Clients.connect(settings, threads=threads, transport="boto3")


def table_of(settings: Settings, service: str) -> str:
    """Return the name of a service's table."""
    return settings.own_table(Topology.load().services[service].table)


def show(rows: Iterable[dict[str, Any]]) -> None:
    """Print rows as a table. Needs at least one row."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=None, header_style="bold")
    for name, value in rows[0].items():
        justify: Literal["right", "left"] = "right" if isinstance(value, int) else "left"
        table.add_column(name.replace("_", " "), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(str(value))) for value in row.values()))
    # A pipe has no width. Do not wrap lines, so that grep and awk see whole rows.
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def print_json(document: object) -> None:
    """Print one JSON document."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    sys.stdout.buffer.write(printable(text).encode() + b"\n")


def printable(text: str) -> str:
    r"""Escape as ``\u009b`` what a terminal would act on: controls, and marks of direction.

    Such a character can only be inside a string of a JSON document, which stays the same document.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def leave(lines: LogWriter, code: int) -> NoReturn:
    """Exit without waiting for threads, because a handler that hangs would never end."""
    lines.flush()
    os._exit(code)


def counted(number: int, noun: str) -> str:
    """Return ``1 message`` or ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Print a line."""
    print(text)  # noqa: T201 - this module prints


def note(text: str) -> None:
    """Print a line about progress to standard error, so that ``--json`` stays one document."""
    print(f"workers: {text}", file=sys.stderr)  # noqa: T201 - this module prints


def fail(problem: object, code: int) -> NoReturn:
    """Print a problem to standard error and exit with ``code``."""
    print(f"workers: {problem}", file=sys.stderr)  # noqa: T201 - this module prints
    sys.exit(code)
