"""``workers queues`` as a person reads it."""

import pytest

from workers.cli import queues
from workers.cli.durations import seconds_of, span
from workers.cli.queues import row
from workers.ops.overview import Look
from workers.ops.queues import QueueState
from workers.runtime.errors import Unavailable
from workers.runtime.roster import Pause

NOON = "2026-01-02T12:00:00+00:00"


def a_state(**changes):
    told = {"visible": 1_200, "in_flight": 10, "delayed": 0, "dead": 2, "as_of": NOON}
    told |= {"oldest_seconds": 75, "rate_in": 1.5, "rate_out": 4.0, "drain_seconds": 484}
    told |= {"workers": 3, "silent": 0}
    return QueueState("payment", "payment-queue", **(told | changes))


def test_a_queue_is_one_row():
    assert row(a_state()) == {
        "service": "payment",
        "waiting": 1_200,
        "in flight": 10,
        "delayed": 0,
        "oldest": "75 s",
        "dead": 2,
        "in/s": "1.5",
        "out/s": "4",
        "empty in": "8 min",
        "workers": "3",
        "paused": "no",
    }


@pytest.mark.parametrize(
    ("changes", "drained"),
    [
        ({"drain_seconds": 0, "rate_in": None}, "0 s"),
        ({"rate_in": None}, "> 8 min"),
        ({"drain_seconds": None}, "never"),
        ({"drain_seconds": None, "rate_out": 0.0}, "-"),
        ({"drain_seconds": None, "rate_out": None}, "-"),
        ({"drain_seconds": None, "paused": Pause("ann", NOON)}, "-"),
    ],
)
def test_the_time_to_drain_says_what_it_is_not_sure_of(changes, drained):
    assert row(a_state(**changes))["empty in"] == drained


@pytest.mark.parametrize(
    ("changes", "workers", "paused"),
    [
        ({"silent": 2}, "3 (2 silent)", "no"),
        ({"workers": None, "silent": None}, "-", "-"),
        ({"paused": Pause("ann", NOON)}, "3", "yes"),
        ({"paused": Pause("ann", NOON, until=1_767_358_800)}, "3", "until 13:00 UTC"),
    ],
)
def test_workers_and_pauses(changes, workers, paused):
    cells = row(a_state(**changes))
    assert (cells["workers"], cells["paused"]) == (workers, paused)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (119.4, "119 s"), (120, "2 min"), (7_200, "2 h"), (2e5, "2 d")],
)
def test_durations_are_short(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400), ("0m", None), ("10", None)],
)
def test_durations_are_read(text, seconds):
    assert seconds_of(text) == seconds


class Watched:
    """An overview whose looks a test prepares; then the operator presses Ctrl-C."""

    def __init__(self, *looks):
        self._looks = list(looks)

    def look(self):
        if not self._looks:
            raise KeyboardInterrupt
        if isinstance(found := self._looks.pop(0), Exception):
            raise found
        return Look((found,), {}, ())


def test_watching_ends_with_ctrl_c_and_survives_an_outage(monkeypatch, capsys):
    slept = []
    monkeypatch.setattr(queues.time, "sleep", slept.append)
    down = Unavailable("sqs: no answer", dependency="sqs")
    paused = a_state(paused=Pause("ann", NOON, "a fix"))

    queues._watch(Watched(a_state(), down, paused))  # noqa: SLF001 - without AWS behind it

    shown = capsys.readouterr().out
    assert slept == [queues.REFRESH_EVERY] * 3
    assert "payment is paused by ann until resumed: a fix" in shown


def test_while_watching_an_error_is_shown_below_the_last_answer(monkeypatch, capsys):
    monkeypatch.setattr(queues.time, "sleep", lambda _seconds: None)
    down = Unavailable("sqs: no answer", dependency="sqs")

    queues._watch(Watched(a_state(), down))  # noqa: SLF001 - as above

    shown = capsys.readouterr().out
    assert shown.index("payment") < shown.index("sqs: no answer")
