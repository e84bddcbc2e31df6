"""Shows dead letters as tables, and the progress of a redrive."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from workers.cli.console import WIDE, note, printable, say

if TYPE_CHECKING:
    from rich.console import Console

    from workers.ops.dlq import DeadMessage
    from workers.ops.dlq_groups import Group
    from workers.ops.dlq_place import Read
    from workers.ops.dlq_redrive import Progress

_SECONDS_PER_LINE: Final = 5.0  # of progress, where there is no terminal
_NARROW: Final = 20  # characters of a column
_REASON: Final = 24  # characters of a reason that are worth more than a spare column
_LONGEST_BODY: Final = 4_000  # characters


def letters_table(
    letters: Sequence["DeadMessage"], known: Mapping[str, Any], console: "Console | None" = None
) -> None:
    """Print dead letters, one line each: ids are unique prefixes, reasons are cut."""
    from workers.ops.dlq_select import short_ids

    short = short_ids([letter.id for letter in letters])
    rows = [
        {
            "id": short[letter.id],
            "event": one_line(letter.event_type or "-")[:_NARROW],
            "order": letter.order_id[:8],
            "error": one_line(letter.type)[:_NARROW],
            "tries": str(letter.attempts),
            "failed at": letter.failed_at[5:16],
            "done": "yes" if known[letter.key].processed else "",
        }
        for letter in letters
    ]
    _fitted(rows, [letter.reason for letter in letters], console or _console())


def groups_table(groups: Sequence["Group"], console: "Console | None" = None) -> None:
    """Print groups of dead letters, one line each; a narrow terminal shows fewer columns."""
    rows = [
        {
            "group": group.key,
            "count": str(group.count),
            "done": str(group.processed),
            "redriven": str(group.redriven),
            "event": one_line(group.event_type or "-")[:_NARROW],
            "error": one_line(group.type)[:_NARROW],
            "stack": group.stack or "-",
            "first": group.first_at[5:16],
            "last": group.last_at[5:16],
            "versions": ", ".join(version[:12] for version in group.versions) or "-",
        }
        for group in groups
    ]
    reasons = [group.reason for group in groups]
    _fitted(rows, reasons, console or _console(), spare=("stack", "versions", "first"))


def _fitted(
    rows: Sequence[dict[str, str]],
    reasons: Sequence[str],
    console: "Console",
    *,
    spare: Sequence[str] = (),
) -> None:
    """Print rows of one line each: without the spare columns if need be, and reasons cut."""
    from rich.table import Table
    from rich.text import Text

    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for name in (*spare, ""):
        room = console.width - sum(widths[n] for n in names) - len(names) - 1
        if room >= _REASON or not name:
            break
        names.remove(name)
    room = max(len("reason"), room)
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in (*names, "reason"):
        table.add_column(name, no_wrap=True)
    for row, text in zip(rows, reasons, strict=True):
        reason = one_line(text)
        cut = reason if len(reason) <= room else f"{reason[: room - 1]}…"
        table.add_row(*map(Text, (*(row[name] for name in names), cut)))
    console.print(table)


def letter_text(document: Mapping[str, Any]) -> None:
    """Print one dead letter in full, for a person."""
    for name in ("id", "event_type", "event_id", "order_id", "group"):
        say(f"{name.replace('_', ' '):<12} {one_line(str(document[name])) or '-'}")
    say(f"{'error':<12} {one_line(document['type'])}: {one_line(document['reason'])}")
    say(f"{'failed':<12} {document['failed_at'] or '-'} (first {document['first_at'] or '-'})")
    say(f"{'redrives':<12} {document['redrives']}")
    say(f"{'schema':<12} {one_line(document['schema']) or 'valid'}")
    say(f"{'processed':<12} {'yes' if document['processed'] else 'no'}")
    say(f"\nattempts: {len(document['tries']) or 'none on record'}")
    for each in document["tries"]:
        place = f" in {each['frame']}" if each["frame"] else ""
        version = f", version {each['version'][:12]}" if each["version"] else ""
        what = f"{each['type']}: {each['reason']}{place} ({each['outcome']}{version})"
        say(f"  {each['at'][:19]} {one_line(what)}")
    if document["trail"] and not document["tries"]:
        say(f"  {one_line(document['trail'])}")
    if at := document["stored"]["at"]:
        problem = document["stored"]["problem"]
        say(f"\nstored in {one_line(at)}{f': {one_line(problem)}' if problem else ''}")
    body = printable(document["body"])
    say(f"\nbody{'' if document['revealed'] else ' (personal data masked; --reveal shows it)'}:")
    say(body[:_LONGEST_BODY])
    if len(body) > _LONGEST_BODY:
        say(f"... {len(body) - _LONGEST_BODY} more characters; --json prints all")
    say(f"\nnext: {document['next']}")


def one_line(text: str) -> str:
    """Return a text without line breaks, and harmless to a terminal."""
    return printable(text).replace("\n", "\\n").replace("\t", " ")


def moment(seconds: float) -> str:
    """Return epoch seconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def listed(letter: "DeadMessage", read: "Read") -> dict[str, Any]:
    """Return a dead letter as a document, without its body."""
    from workers.ops.dlq_groups import group_of

    names = "id event_type event_id order_id type reason attempts failed_at first_at redrives stack"
    names += " receive_count"
    return {name: getattr(letter, name) for name in names.split()} | {
        "sent_at": moment(letter.sent_at),
        "group": group_of(letter),
        "processed": read.known[letter.key].processed,
    }


@contextmanager
def progress_shown() -> Iterator["Progress"]:
    """Show a bar on a terminal, or else a line on standard error every few seconds."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda stage, moved, total: bar.update(
            task, description=stage, completed=moved, total=total
        )


def _lines() -> "Progress":
    printed: dict[str, float] = {}  # stage -> when a line about it was printed

    def report(stage: str, moved: int, total: int) -> None:
        now = time.monotonic()
        if now - printed.get(stage, -_SECONDS_PER_LINE) >= _SECONDS_PER_LINE:
            printed[stage] = now
            note(f"{stage}: {moved} of {total} messages")

    return report


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDE)
