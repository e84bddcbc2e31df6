"""A paused worker receives nothing, finishes what it holds, and resumes by itself."""

import pytest
from structlog.testing import capture_logs
from support.fakes import FakeRoster
from support.harness import Harness

from workers.runtime.errors import Unavailable
from workers.runtime.roster import BEAT_EVERY, Pause

DOWN = Unavailable("no answer", dependency="dynamodb")


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def worker():
    worker = Harness(roster=FakeRoster())
    worker.reporter.step()
    return worker


def order(worker, seconds=None, **changes):
    """Pause the service for so many seconds from now, and let the worker see it."""
    until = None if seconds is None else worker.clock() + seconds
    told = {"by": "ann", "at": "2026-01-02T12:00:00+00:00", "reason": "a bad deploy"}
    worker.roster.paused = Pause(**(told | {"until": until} | changes))
    worker.reporter.step()


def resume(worker):
    worker.roster.paused = None
    worker.reporter.step()


def obstacles(worker):
    return worker.parts.loop().obstacles()


def test_a_paused_worker_receives_nothing_until_it_is_resumed(worker):
    order(worker)
    worker.send("order-1")
    assert worker.round() == 0
    resume(worker)
    assert worker.round() == 1


def test_a_pause_lets_messages_in_flight_finish_and_keeps_their_leases(worker):
    worker.send("order-1")
    worker.receive()
    order(worker)
    worker.tick(600)
    assert worker.queue.in_flight == 1
    assert worker.work() == 1
    worker.settle()
    assert worker.effects("order-1") == 1
    assert len(worker.queue) == 0


def test_messages_of_a_poll_that_was_open_are_handled(worker):
    taken = worker.permits.take()
    order(worker)
    worker.send("order-1")
    worker.poller.poll(taken)
    assert worker.work() == 1


def test_a_pause_ends_by_itself(worker):
    order(worker, 600)
    worker.send("order-1")
    worker.clock.advance(599)
    worker.switch.relax()
    assert worker.round() == 0
    worker.clock.advance(1)
    worker.switch.relax()
    assert worker.round() == 1


def test_a_pause_ends_by_itself_while_its_row_cannot_be_read(worker):
    order(worker, 600)
    worker.roster.fail_next("pause", DOWN, times=1_000)
    for _ in range(61):
        worker.clock.advance(BEAT_EVERY)
        worker.reporter.step()
        worker.switch.relax()
    worker.send("order-1")
    assert worker.round() == 1


def test_a_pause_without_an_end_outlasts_an_outage(worker):
    order(worker)
    worker.roster.fail_next("pause", DOWN, times=1_000)
    for _ in range(500):
        worker.clock.advance(BEAT_EVERY)
        worker.reporter.step()
        worker.switch.relax()
    worker.send("order-1")
    assert worker.round() == 0


def test_a_row_whose_time_is_over_pauses_nothing(worker):
    """DynamoDB deletes expired rows within days."""
    order(worker, -1)
    worker.send("order-1")
    assert worker.round() == 1
    assert worker.sample("paused") == 0


def test_a_pause_can_be_prolonged_and_shortened(worker):
    order(worker, 60)
    order(worker, 600)
    worker.clock.advance(300)
    worker.switch.relax()
    assert worker.switch.pause is not None
    order(worker, 10)
    worker.clock.advance(10)
    worker.switch.relax()
    assert worker.switch.pause is None


def test_a_pause_is_logged_once_with_who_and_why_and_so_is_its_end(worker, logs):
    order(worker, 600)
    worker.reporter.step()
    resume(worker)
    worker.reporter.step()
    found = [line for line in logs if line["event"].startswith("receive.")]
    assert [line["event"] for line in found] == ["receive.paused", "receive.resumed"]
    assert (found[0]["by"], found[0]["reason"]) == ("ann", "a bad deploy")


def test_readiness_says_by_whom_until_when_and_why(worker):
    order(worker, None)
    assert obstacles(worker) == ["paused by ann until resumed: a bad deploy"]
    order(worker, None, until=1_767_355_200 + 10**9, reason="")
    assert obstacles(worker) == ["paused by ann until 2057-09-10T13:46:40Z"]


def test_a_paused_worker_is_healthy(worker):
    order(worker)
    assert worker.parts.loop().problems() == []


def test_the_gauge_and_the_heartbeat_say_paused(worker):
    assert worker.sample("paused") == 0
    order(worker)
    assert worker.sample("paused") == 1
    worker.reporter.step()
    assert worker.roster.beats["worker-1"].paused
    resume(worker)
    assert worker.sample("paused") == 0
    assert not worker.roster.beats["worker-1"].paused


def test_a_worker_that_starts_during_a_pause_receives_nothing(worker):
    order(worker)
    second = worker.restart()
    second.parts.loop()  # makes the threads' loops; none has started
    second.send("order-1")
    assert not second.receive()
    second.reporter.step()
    assert not second.receive()


def test_a_worker_that_starts_in_an_outage_receives_after_the_first_failed_look(worker):
    second = worker.restart()
    second.parts.loop()
    second.send("order-1")
    worker.roster.fail_next("pause", DOWN)
    assert not second.receive()
    second.reporter.step()
    assert second.receive()


def test_a_pause_and_an_open_breaker_end_independently():
    worker = Harness(roster=FakeRoster(), concurrency=5)
    worker.permits.pause("breaker:sns")
    order(worker)
    worker.permits.resume("breaker:sns")
    worker.send("order-1")
    assert not worker.receive()
    worker.permits.pause("breaker:sns")
    resume(worker)
    assert not worker.receive()
    worker.permits.resume("breaker:sns")
    assert worker.receive()


def test_a_message_that_failed_during_a_pause_waits_in_the_queue(worker):
    worker.service.act = lambda _order: 1 / 0
    worker.send("order-1")
    worker.receive()
    order(worker)
    worker.work()
    worker.settle()
    worker.clock.advance(3_600)
    assert worker.queue.visible == 1
    assert not worker.receive()


def test_a_paused_worker_stops(worker):
    order(worker)
    worker.poller.stop()
    assert worker.permits.take() == 0
