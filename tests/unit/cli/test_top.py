"""The full-screen view renders what its source says, and asks before it changes anything."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from threading import Event as Flag

import pytest
from textual.widgets import DataTable, Input, Static

from workers.cli import top
from workers.cli.top_dialogs import Ask, Failures
from workers.cli.top_screen import Top
from workers.ops.dlq_groups import Group
from workers.ops.heartbeats import Fleet
from workers.ops.live import DeadLetters, Snapshot
from workers.ops.outbox import ShardState
from workers.ops.overview import Look
from workers.ops.queues import QueueState
from workers.runtime.errors import Unavailable
from workers.runtime.roster import Heartbeat, Pause

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WIDE = (160, 40)


def a_queue(service, **changes):
    counts = {"visible": 3, "in_flight": 1, "delayed": 0, "dead": 2, "workers": 1, "silent": 0}
    return QueueState(service, f"{service}-queue", **(counts | changes), as_of=NOON.isoformat())


def a_worker(name, **changes):
    return Heartbeat(name, at=NOON - timedelta(seconds=4), started_at=NOON, slots=10, **changes)


class Source:
    """Says what a test set, and notes what it was told."""

    def __init__(self):
        self.states = [a_queue("orders"), a_queue("payment")]
        self.fleets = {
            "orders": Fleet(NOON, (a_worker("o-1"),), (), None),
            "payment": Fleet(NOON, (a_worker("p-1"), a_worker("p-2", paused=True)), (), None),
        }
        self.outbox = (ShardState(0, 4, 75, "relay-1"),)
        self.notes = ()
        group = Group(
            "5b1c", "order.created", "TimeoutError", "", "a [red] reason", 2, 0, 0, "", "", ()
        )
        self.letters = DeadLetters((group,), "30 there, 2 [readable] now")
        self.told, self.looks, self.error, self.hang = [], 0, None, None

    def look(self):
        self.looks += 1
        if self.hang:
            self.hang.wait(5)
        if self.error:
            raise self.error
        look = Look(tuple(self.states), self.fleets, self.notes)
        return Snapshot(look, self.outbox, self.notes)

    def failures(self, service):
        self.told.append(("failures", service))
        return self.letters

    def pause(self, service, *, seconds, reason):
        self.told.append(("pause", service, seconds, reason))
        self.states = [
            a_queue(each.service, paused=Pause("ann", "now", reason, None))
            if each.service == service
            else each
            for each in self.states
        ]

    def resume(self, service, *, reason):
        self.told.append(("resume", service, reason))


def played(source, play):
    """Run the screen without a terminal, and play on it."""

    async def run():
        app = Top(source)
        async with app.run_test(size=WIDE) as pilot:
            await settled(app, pilot)
            await play(app, pilot)

    asyncio.run(run())


async def settled(app, pilot):
    await app.workers.wait_for_complete()
    await pilot.pause()


def cells(table):
    return [[str(cell) for cell in table.get_row_at(n)] for n in range(table.row_count)]


def queues(app):
    return cells(app.query_one("#queues", DataTable))


def test_queues_workers_and_outbox_are_shown():
    async def play(app, _pilot):
        assert [row[0] for row in queues(app)] == ["orders", "payment"]
        assert cells(app.query_one("#workers", DataTable))[0][0] == "o-1"
        below = str(app.query_one("#below", Static).render())
        assert "outbox: 4 waiting, oldest 75 s" in below

    played(Source(), play)


def test_the_workers_are_those_of_the_selected_service():
    async def play(app, pilot):
        await pilot.press("down")
        rows = cells(app.query_one("#workers", DataTable))
        assert [row[0] for row in rows] == ["p-1", "p-2"]
        assert rows[1][-1] == "4 s ago, paused"

    played(Source(), play)


def test_a_refresh_keeps_the_cursor():
    async def play(app, pilot):
        await pilot.press("down", "r")
        await settled(app, pilot)
        assert app.query_one("#queues", DataTable).cursor_row == 1

    played(Source(), play)


def test_a_pause_asks_for_its_length_and_a_reason():
    source = Source()

    async def play(app, pilot):
        await pilot.press("down", "p")
        assert isinstance(app.screen, Ask)
        assert app.screen.query_one("#for", Input).value == "10m"
        app.screen.query_one("#reason", Input).value = "a fix"
        await pilot.press("enter")
        await settled(app, pilot)
        assert source.told == [("pause", "payment", 600, "a fix")]
        below = str(app.query_one("#below", Static).render())
        assert "payment is paused by ann until resumed: a fix" in below

    played(source, play)


def test_a_pause_that_is_cancelled_changes_nothing():
    source = Source()

    async def play(app, pilot):
        await pilot.press("p", "escape")
        await settled(app, pilot)
        assert source.told == []

    played(source, play)


def test_a_length_that_cannot_be_read_pauses_nothing():
    source = Source()

    async def play(app, pilot):
        await pilot.press("p")
        app.screen.query_one("#for", Input).value = "soon"
        await pilot.press("enter")
        await settled(app, pilot)
        assert source.told == []

    played(source, play)


def test_a_paused_service_is_resumed_by_the_same_key():
    source = Source()
    source.states[0] = a_queue("orders", paused=Pause("ann", "now"))

    async def play(app, pilot):
        await pilot.press("p", "enter")
        await settled(app, pilot)
        assert source.told == [("resume", "orders", "")]

    played(source, play)


def test_dead_letters_are_read_only_when_asked_for():
    """Reading them receives them."""
    source = Source()

    async def play(app, pilot):
        await pilot.press("r")
        await settled(app, pilot)
        assert source.told == []
        await pilot.press("d")
        await settled(app, pilot)
        assert source.told == [("failures", "orders")]
        assert isinstance(app.screen, Failures)
        assert {"5b1c", "a [red] reason"} < set(
            cells(app.screen.query_one("#groups", DataTable))[0]
        )
        assert "2 [readable] now" in str(app.screen.query_one("#note").render())
        await pilot.press("escape")
        assert not isinstance(app.screen, Failures)

    played(source, play)


def test_an_outage_is_shown_and_the_last_answer_stays():
    source = Source()

    async def play(app, pilot):
        source.error = Unavailable("sqs: [no] answer", dependency="sqs")
        await pilot.press("r")
        await settled(app, pilot)
        assert len(queues(app)) == 2
        source.error, source.notes = None, ("payment: no heartbeats",)
        await pilot.press("r")
        await settled(app, pilot)
        assert "no heartbeats" in str(app.query_one("#below", Static).render())

    played(source, play)


def test_a_look_that_hangs_blocks_no_key_and_piles_up_no_looks():
    source = Source()

    async def play(app, pilot):
        source.hang = Flag()
        for _ in range(5):
            await pilot.press("r")
        await pilot.press("p")
        assert isinstance(app.screen, Ask)
        source.hang.set()
        await settled(app, pilot)
        assert source.looks == 2

    played(source, play)


def test_without_textual_the_command_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "workers.cli.top_screen", None)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    monkeypatch.delitem(sys.modules, "workers.cli.top_screen")
    with pytest.raises(SystemExit) as ended:
        top.top()
    assert ended.value.code == 1
    assert "pip install 'workers[ops]'" in capsys.readouterr().err
