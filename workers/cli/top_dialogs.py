"""The dialogs of ``workers top``: a question with fields, and the dead letters of a service."""

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Input, Label

from workers.cli.console import printable
from workers.ops.live import DeadLetters

_FAILURES: Final = ("group", "event type", "failure", "count", "first", "last", "reason")


class Ask(ModalScreen[dict[str, str] | None]):
    """Asks for values and a confirmation; returns the values by label, None if cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]
    CSS = """
    Ask { align: center middle; }
    Ask > Vertical { width: 60; height: auto; border: solid $accent; }
    """

    def __init__(self, question: str, fields: dict[str, str]) -> None:
        super().__init__()
        self._question = question
        self._fields = fields

    def compose(self) -> ComposeResult:
        """Make a line per field."""
        with Vertical():
            yield Label(Text(self._question))
            for name, value in self._fields.items():
                yield Input(value, placeholder=name, id=name)
            yield Label("Enter: apply, Escape: cancel")

    def on_input_submitted(self) -> None:
        """Return the values."""
        self.dismiss({name: self.query_one(f"#{name}", Input).value for name in self._fields})

    def action_cancel(self) -> None:
        """Return nothing."""
        self.dismiss(None)


class Failures(ModalScreen[None]):
    """The groups of dead letters of one service."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "close", "Close")]
    CSS = "Failures > Vertical { height: 80%; border: solid $accent; }"

    def __init__(self, service: str, letters: DeadLetters) -> None:
        super().__init__()
        self._service = service
        self._letters = letters

    def compose(self) -> ComposeResult:
        """Make the table, and say how to go on."""
        with Vertical():
            yield Label(f"Dead letters of {self._service}. Escape: close")
            if self._letters.note:
                yield Label(as_cell(self._letters.note), id="note")
            yield DataTable(id="groups", cursor_type="row")
            yield Label(f"Details: workers dlq list {self._service}")
            yield Label(
                f"Redrive: workers dlq redrive {self._service} --group GROUP --canary 1 --yes"
            )

    def on_mount(self) -> None:
        """Fill the table."""
        table = self.query_one("#groups", DataTable)
        table.add_columns(*_FAILURES)
        for group in self._letters.groups:
            times = (group.first_at[:19], group.last_at[:19])
            cells = (group.key, group.event_type, group.type, group.count, *times, group.reason)
            table.add_row(*map(as_cell, cells))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()


def as_cell(value: object) -> Text:
    """Return a cell without markup: names and reasons may contain brackets."""
    return Text(printable(str(value)))
