"""A worker reports to its fleet, and nothing that happens to the report reaches a message."""

import random
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from support.fakes import FakeClock, FakeRoster
from support.harness import Harness

from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.heartbeat import JOIN_EVERY, LOOKED_AT, SILENT
from workers.runtime.roster import BEAT_EVERY, Heartbeat

DOWN = Unavailable("no answer", dependency="dynamodb")


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as lines:
        yield lines


def events(logs):
    return [line["event"] for line in logs if line["event"].startswith("heartbeat")]


@pytest.fixture
def worker():
    return Harness(roster=FakeRoster())


def beat(worker, seconds=BEAT_EVERY):
    worker.clock.advance(seconds)
    worker.reporter.step()
    return worker.roster.beats["worker-1"]


def test_a_worker_reports_what_it_holds_and_has_done(worker):
    first = beat(worker)
    assert (first.in_flight, first.slots, first.handled, first.failed) == (0, 10, 0, 0)
    assert first.oldest_sent_at is None
    worker.send("order-1", "order-2")
    sent_at = worker.clock()
    worker.receive()
    assert beat(worker).in_flight == 2
    assert beat(worker).oldest_sent_at == sent_at
    worker.work()
    worker.settle()
    last = beat(worker)
    assert (last.in_flight, last.handled, last.failed) == (0, 2, 0)
    assert last.started_at == first.started_at


def test_a_failed_delivery_is_reported_as_failed(worker):
    worker.service.act = lambda _order: 1 / 0
    worker.send("order-1")
    worker.round()
    assert (beat(worker).handled, beat(worker).failed) == (0, 1)


def test_the_oldest_message_is_that_of_a_first_delivery(worker):
    """A retry is as old as its delays."""
    worker.service.act = lambda _order: 1 / 0
    worker.send("order-1")
    worker.round()
    worker.clock.advance(3_000)
    worker.receive()
    worker.send("order-2")
    sent_at = worker.clock()
    worker.receive()
    assert beat(worker).in_flight == 2
    assert beat(worker).oldest_sent_at == sent_at


def test_the_rate_is_that_of_the_last_minute(worker):
    for n in range(12):
        worker.send(*(f"order-{n}-{k}" for k in range(5)))
        worker.receive()
        worker.work()
        worker.settle()
        rate = beat(worker).rate
    assert rate == pytest.approx(0.5, abs=0.01)
    for _ in range(6):
        rate = beat(worker).rate
    assert rate == 0


def test_a_worker_joins_at_the_start_and_hourly_not_with_every_beat(worker):
    for _ in range(int(JOIN_EVERY / BEAT_EVERY)):
        beat(worker)
    assert worker.roster.calls["join"] == 1
    assert worker.roster.calls["beat"] == JOIN_EVERY / BEAT_EVERY
    beat(worker)
    assert worker.roster.calls["join"] == 2


def test_a_worker_is_on_the_roster_only_after_its_first_beat(worker):
    """Another worker that joins would take it for dead."""
    worker.roster.fail_next("beat", DOWN)
    worker.reporter.step()
    assert worker.roster.ids == set()
    beat(worker)
    assert worker.roster.ids == {"worker-1"}


def test_a_clean_stop_leaves_the_roster(worker):
    beat(worker)
    worker.reporter.leave()
    assert worker.roster.ids == set()


def other(worker, name, silent):
    at = worker.clock.now() - timedelta(seconds=silent)
    worker.roster.ids.add(name)
    worker.roster.beats[name] = Heartbeat(name, at=at, started_at=at)


def test_a_worker_that_joins_takes_those_off_that_were_killed(worker):
    other(worker, "alive", 15)
    other(worker, "in an outage", SILENT - 60)
    other(worker, "killed", SILENT + 1)
    worker.roster.ids.add("its beat has expired")
    worker.reporter.step()
    assert worker.roster.ids == {"worker-1", "alive", "in an outage"}


def test_a_worker_that_was_taken_off_joins_again_after_its_outage(worker):
    beat(worker)
    worker.roster.fail_next("pause", DOWN, times=int(SILENT / BEAT_EVERY))
    for _ in range(int(SILENT / BEAT_EVERY)):
        beat(worker)
    worker.roster.ids.clear()
    beat(worker)
    assert worker.roster.ids == {"worker-1"}


def test_of_a_large_fleet_a_worker_looks_at_a_few(worker):
    for n in range(500):
        other(worker, f"other-{n}", 0)
    worker.reporter.step()
    assert worker.roster.calls["last_beat"] == LOOKED_AT
    assert worker.roster.calls["leave"] == 0


def test_a_fleet_takes_every_killed_worker_off_within_an_hour():
    random.seed(7)
    roster, clock = FakeRoster(), FakeClock()
    fleet = [Harness(roster=roster, clock=clock, name=f"worker-{n}") for n in range(50)]
    for n, worker in enumerate(fleet):
        worker.reporter._worker = f"worker-{n}"  # noqa: SLF001 - the harness has one name
        worker.reporter.step()
    for n in range(5):
        other(fleet[0], f"killed-{n}", SILENT)
    clock.advance(JOIN_EVERY)
    for _ in range(2):
        for worker in fleet:
            worker.reporter.step()
    assert roster.ids == {f"worker-{n}" for n in range(50)}


@pytest.mark.parametrize(
    "error", [DOWN, FatalError("denied"), PermanentError("refused"), RuntimeError("a bug")]
)
@pytest.mark.parametrize("method", ["pause", "beat", "join"])
def test_an_outage_is_logged_once_and_messages_are_handled(worker, logs, method, error):
    worker.roster.fail_next(method, error, times=100)
    for n in range(100):
        worker.send(f"order-{n}")
        worker.round()
        worker.clock.advance(BEAT_EVERY)
        worker.reporter.step()
    assert worker.effects("order-99") == 1
    assert events(logs) == ["heartbeat.failing"]
    worker.reporter.step()
    assert events(logs) == ["heartbeat.failing", "heartbeat.working"]


def test_a_stop_in_an_outage_does_not_wait_for_the_roster(worker):
    beat(worker)
    worker.roster.fail_next("pause", DOWN)
    worker.reporter.step()
    worker.reporter.leave()
    assert worker.roster.calls["leave"] == 0


def test_a_roster_that_fails_at_the_stop_is_no_error(worker, logs):
    worker.roster.fail_next("leave", DOWN)
    worker.reporter.leave()
    assert events(logs) == ["heartbeat.failing"]
