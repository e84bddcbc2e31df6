"""The screen of ``workers top``: renders what ``ops.live`` reads.

Only this module and its dialogs use Textual. Calls to AWS run in a thread, one at a time, so that
keys always answer.
"""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import ClassVar, Final, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Header, Static

from workers.cli.console import printable
from workers.cli.durations import FORM, seconds_of, span
from workers.cli.queues import REFRESH_EVERY, row
from workers.cli.top_dialogs import Ask, Failures, as_cell
from workers.ops.live import DeadLetters, Snapshot
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.roster import Heartbeat

ERRORS: Final = (FatalError, PermanentError, Unavailable)
DEFAULT_PAUSE: Final = "10m"
_QUEUES: Final = "queues"
_WORKERS: Final = ("worker", "version", "in flight", "slots", "handled", "failed", "/s", "heard")


class Source(Protocol):
    """What the screen shows and does; see ``ops.live.Live``."""

    def look(self) -> Snapshot:
        """Read everything."""

    def failures(self, service: str) -> DeadLetters:
        """Group the dead letters of a service."""

    def pause(self, service: str, *, seconds: int | None, reason: str) -> None:
        """Pause a service."""

    def resume(self, service: str, *, reason: str) -> None:
        """Resume a service."""


class Top(App[None]):
    """Queues, the workers of the selected service, and the outbox."""

    TITLE = "workers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause/resume"),
        Binding("d", "failures", "Dead letters"),
        Binding("r", "refresh", "Refresh"),
        Binding("q", "quit", "Quit"),
    ]
    CSS = """
    #queues { height: auto; max-height: 50%; }
    #workers { height: 1fr; }
    #below { height: auto; }
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._snapshot: Snapshot | None = None
        self._calling = Lock()

    def compose(self) -> ComposeResult:
        """Make the parts of the screen."""
        yield Header()
        yield DataTable(id=_QUEUES, cursor_type="row")
        yield DataTable(id="workers", cursor_type="none")
        yield Static(id="below")
        yield Footer()

    def on_mount(self) -> None:
        """Read at once, and from then on every few seconds."""
        self.query_one("#workers", DataTable).add_columns(*_WORKERS)
        self.action_refresh()
        self.set_interval(REFRESH_EVERY, self.action_refresh)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the workers of the service that was selected."""
        if event.data_table.id == _QUEUES:
            self._show_workers()

    def action_refresh(self) -> None:
        """Read everything, unless a call is under way."""
        self._call(self._refresh, wait=False)

    def action_failures(self) -> None:
        """Show the groups of dead letters of the selected service."""
        if service := self._selected():
            self._call(lambda: self._inspect(service))

    def action_pause(self) -> None:
        """Pause the selected service, or resume it, after a confirmation."""
        service = self._selected()
        if not service or self._snapshot is None:
            return
        state = next(each for each in self._snapshot.look.queues if each.service == service)
        if state.paused:
            question, fields = f"Resume {service}? It is {state.paused}", {"reason": ""}
        else:
            question = f"Pause {service}? For ({FORM}; empty: until resumed), reason:"
            fields = {"for": DEFAULT_PAUSE, "reason": ""}

        def confirmed(answer: dict[str, str] | None) -> None:
            if answer is not None:
                self._apply(service, answer)

        self.push_screen(Ask(question, fields), confirmed)

    def _apply(self, service: str, answer: dict[str, str]) -> None:
        reason, duration = answer["reason"], answer.get("for")
        if duration is None:
            self._call(lambda: self._source.resume(service, reason=reason), self._refresh)
            return
        seconds = seconds_of(duration)
        if duration and seconds is None:
            self.notify(f"{duration}: {FORM}", severity="error")
            return
        self._call(
            lambda: self._source.pause(service, seconds=seconds, reason=reason), self._refresh
        )

    def _call(self, *steps: Callable[[], None], wait: bool = True) -> None:
        """Run steps that call AWS in a thread. Without ``wait`` only if none runs."""

        def run() -> None:
            if not self._calling.acquire(blocking=wait):
                return
            try:
                for step in steps:
                    step()
            except ERRORS as error:
                self.call_from_thread(self.notify, printable(str(error)), severity="error")
            finally:
                self._calling.release()

        self.run_worker(run, thread=True)

    def _refresh(self) -> None:
        snapshot = self._source.look()
        self.call_from_thread(self._show, snapshot)

    def _inspect(self, service: str) -> None:
        letters = self._source.failures(service)
        self.call_from_thread(self.push_screen, Failures(service, letters))

    def _selected(self) -> str:
        """Return the service under the cursor; empty before the first look."""
        table = self.query_one(f"#{_QUEUES}", DataTable)
        if self._snapshot is None or not table.is_valid_row_index(table.cursor_row):
            return ""
        return self._snapshot.look.queues[table.cursor_row].service

    def _show(self, snapshot: Snapshot) -> None:
        """Render a snapshot. The cursor stays where it is."""
        self._snapshot = snapshot
        table = self.query_one(f"#{_QUEUES}", DataTable)
        rows = [row(state) for state in snapshot.look.queues]
        if not table.columns:
            table.add_columns(*rows[0])
        _fill(table, (list(cells.values()) for cells in rows))
        self._show_workers()
        self.query_one("#below", Static).update(Text("\n".join(_below(snapshot))))
        self.sub_title = f"as of {snapshot.look.queues[0].as_of}"

    def _show_workers(self) -> None:
        service = self._selected()
        crew = self._snapshot.look.fleets.get(service) if self._snapshot else None
        beats = [*crew.running, *crew.silent] if crew else []
        now = crew.as_of.timestamp() if crew else 0.0
        _fill(self.query_one("#workers", DataTable), (_worker(beat, now) for beat in beats))


def _worker(beat: Heartbeat, now: float) -> list[object]:
    heard = f"{span(now - beat.at.timestamp())} ago"
    counts = (beat.in_flight, beat.slots, beat.handled, beat.failed, f"{beat.rate:g}")
    return [beat.worker, beat.version[:12], *counts, heard + (", paused" if beat.paused else "")]


def _below(snapshot: Snapshot) -> list[str]:
    """Return the lines about the outbox, pauses, and what could not be read."""
    waiting = sum(shard.waiting for shard in snapshot.outbox)
    oldest = max((shard.oldest_seconds for shard in snapshot.outbox), default=0)
    lines = [f"outbox: {waiting} waiting, oldest {span(oldest)}"] if snapshot.outbox else []
    lines += [f"{each.service} is {each.paused}" for each in snapshot.look.queues if each.paused]
    return [printable(line) for line in (*lines, *snapshot.notes)]


def _fill(table: DataTable[object], rows: Iterable[Sequence[object]]) -> None:
    """Replace the rows of a table, and keep its cursor."""
    cursor = table.cursor_row
    table.clear()
    for cells in rows:
        table.add_row(*map(as_cell, cells))
    if table.row_count:
        table.move_cursor(row=min(cursor, table.row_count - 1))
