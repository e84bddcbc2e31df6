"""An outage pauses polling, probes detect its end, and polling never stays paused."""

from threading import Thread

import pytest
from support.fakes import FakeClock
from support.harness import RestlessClock

from workers.runtime.breaker import FIRST_PAUSE, LONGEST_PAUSE, THRESHOLD, Breaker, Breakers, State
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits

DB = "dynamodb"


class Fuses:
    def __init__(self, clock=None):
        self.clock = clock or FakeClock()
        self.permits = Permits(10)
        self.telemetry = Telemetry("payment-queue")
        self.breakers = Breakers(
            self.permits, telemetry=self.telemetry, now=self.clock, jitter=lambda: 1.0
        )

    def blow(self, dependency=DB):
        for _ in range(THRESHOLD):
            self.breakers.failed(dependency, "no answer")

    @property
    def gauge(self):
        labels = {"service": "", "messaging_destination_name": "payment-queue", "dependency": DB}
        return self.telemetry.registry.get_sample_value("messaging_breaker_open", labels)


@pytest.fixture
def fuses():
    return Fuses()


def is_polling(fuses):
    return not fuses.permits.paused


def test_a_few_failures_do_not_open_the_breaker(fuses):
    for _ in range(THRESHOLD - 1):
        assert fuses.breakers.failed(DB, "no answer") is False
    assert is_polling(fuses)
    assert fuses.breakers.open() == []


def test_consecutive_failures_pause_polling(fuses):
    fuses.blow()
    assert fuses.permits.paused == {"breaker:dynamodb"}
    assert fuses.breakers.open() == [DB]
    assert fuses.gauge == 1


def test_a_success_in_between_resets_the_count(fuses):
    for _ in range(3):
        for _ in range(THRESHOLD - 1):
            fuses.breakers.failed(DB, "no answer")
        fuses.breakers.succeeded()
    assert is_polling(fuses)


def test_dependencies_are_counted_separately(fuses):
    for dependency in (DB, "sns") * (THRESHOLD - 1):
        fuses.breakers.failed(dependency, "no answer")
    assert is_polling(fuses)


def test_a_message_already_under_way_does_not_close_the_breaker(fuses):
    """The message may not have used the dependency at all."""
    fuses.blow()
    fuses.breakers.succeeded()
    assert not is_polling(fuses)


def test_one_message_at_a_time_probes_for_all(fuses):
    breaker = Breaker(State.OPEN, probe_at=10.0)
    assert not breaker.takes_turn(9.9)
    assert breaker.takes_turn(10.0)
    assert not breaker.takes_turn(10.0)
    assert fuses.breakers.open() == []


def test_a_waiting_message_is_woken_instead_of_polling():
    assert Breaker(State.PROBING, probe_at=0.0).next_look(100.0) == 1.0
    assert Breaker(State.OPEN, probe_at=100.4).next_look(100.0) == pytest.approx(0.4)
    assert Breaker(State.OPEN, probe_at=130.0).next_look(100.0) == 1.0


def test_pauses_double_up_to_a_limit():
    breaker = Breaker()
    pauses = []
    for _ in range(THRESHOLD - 1):
        breaker.failed(0, jitter=1.0)
    for _ in range(8):
        breaker.failed(0, jitter=1.0)
        pauses.append(breaker.probe_at)
        breaker.takes_turn(breaker.probe_at)
    assert pauses == [FIRST_PAUSE, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_the_probes_of_many_workers_are_spread_out():
    early, late = Breaker(failures=THRESHOLD - 1), Breaker(failures=THRESHOLD - 1)
    early.failed(0, jitter=0.0)
    late.failed(0, jitter=1.0)
    assert (early.probe_at, late.probe_at) == (FIRST_PAUSE / 2, FIRST_PAUSE)


# Every way in which a probe can end.


@pytest.fixture
def probing():
    """One message probes, none waits."""
    fuses = Fuses(RestlessClock())
    fuses.blow()
    assert fuses.breakers.wait(DB, lambda: False)
    assert not is_polling(fuses)
    return fuses


def test_a_probe_that_succeeds_closes_the_breaker(probing):
    probing.breakers.succeeded(DB)
    assert is_polling(probing)
    assert probing.breakers.open() == []
    assert probing.gauge == 0


def test_the_count_starts_at_zero_after_the_breaker_closed(probing):
    probing.breakers.succeeded(DB)
    for _ in range(THRESHOLD - 1):
        probing.breakers.failed(DB, "no answer")
    assert is_polling(probing)


def test_a_failed_probe_keeps_the_breaker_open_for_the_next(probing):
    assert probing.breakers.failed(DB, "no answer") is True
    assert not is_polling(probing)
    assert probing.breakers.wait(DB, lambda: False)
    probing.breakers.succeeded(DB)
    assert is_polling(probing)


def test_an_inconclusive_probe_resumes_polling_until_the_next_failure(probing):
    probing.breakers.abandon(DB)
    assert is_polling(probing)
    assert probing.breakers.failed(DB, "no answer") is True
    assert not is_polling(probing)


def test_after_an_inconclusive_probe_a_success_resets_the_count(probing):
    probing.breakers.abandon(DB)
    probing.breakers.succeeded()
    for _ in range(THRESHOLD - 1):
        assert probing.breakers.failed(DB, "no answer") is False
    assert is_polling(probing)


def test_polling_resumes_if_a_failed_probe_loses_its_lease(probing):
    """Without a waiting message there is nobody left to probe."""
    probing.breakers.failed(DB, "no answer")
    assert probing.breakers.wait(DB, lambda: True) is False
    assert is_polling(probing)


def test_a_stop_releases_every_message(probing):
    probing.breakers.failed(DB, "no answer")
    probing.breakers.stop()
    assert probing.breakers.wait(DB, lambda: False) is False
    assert is_polling(probing)


def test_abandoning_without_a_probe_changes_nothing(fuses):
    fuses.breakers.abandon(None)
    fuses.breakers.abandon("sns")
    fuses.blow()
    fuses.breakers.abandon(DB)
    assert not is_polling(fuses)


def test_a_late_failure_does_not_outlive_a_successful_probe(probing):
    """A message already under way fails while another probes, and the probe succeeds."""
    probing.breakers.failed(DB, "no answer")
    probing.breakers.succeeded(DB)
    assert is_polling(probing)
    assert probing.breakers.wait(DB, lambda: False) is True


def test_waiting_messages_continue_together_once_the_breaker_closes():
    fuses = Fuses()
    fuses.blow()
    answers = []
    threads = [
        Thread(target=lambda: answers.append(fuses.breakers.wait(DB, lambda: False)), daemon=True)
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    fuses.clock.advance(FIRST_PAUSE)
    while not answers:
        threads[0].join(0.01)
    assert answers == [True]
    fuses.breakers.succeeded(DB)
    for thread in threads:
        thread.join(3)
    assert answers == [True] * 5


def test_a_stop_wakes_every_waiting_message(fuses):
    fuses.blow()
    answers = []
    thread = Thread(
        target=lambda: answers.append(fuses.breakers.wait(DB, lambda: False)), daemon=True
    )
    thread.start()
    fuses.breakers.stop()
    thread.join(3)
    assert answers == [False]
    assert is_polling(fuses)
