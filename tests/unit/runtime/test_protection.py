"""A task is protected from scale-in while a long handler runs, and not otherwise."""

import pytest
from support.fakes import FakeClock

from workers.runtime.errors import Unavailable
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.protection import RELEASE_AFTER, RETRY_AFTER, SPARE_MINUTES, Protection

PROTECT_AFTER = 60
HANDLER_TIMEOUT = 900
MINUTES = 15 + SPARE_MINUTES


class Agent:
    """A fake ECS agent."""

    def __init__(self):
        self.calls = []
        self.errors = []

    def protect(self, *, enabled, minutes):
        self.calls.append((enabled, minutes))
        if self.errors:
            raise self.errors.pop()


class Task:
    def __init__(self):
        self.clock = FakeClock()
        self.agent = Agent()
        self.telemetry = Telemetry("payment-queue")
        self.protection = Protection(
            self.agent,
            protect_after=PROTECT_AFTER,
            handler_timeout=HANDLER_TIMEOUT,
            telemetry=self.telemetry,
            now=self.clock,
        )

    def run(self, seconds, oldest_running):
        """Step every second, as the thread does."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.protection.step(oldest_running)

    @property
    def gauge(self):
        labels = {"service": "", "messaging_destination_name": "payment-queue"}
        name = "messaging_scale_in_protected"
        return self.telemetry.registry.get_sample_value(name, labels)


@pytest.fixture
def task():
    return Task()


def test_short_handlers_never_delay_a_deployment(task):
    task.run(600, PROTECT_AFTER - 1)
    assert task.agent.calls == []


def test_a_long_handler_is_protected_once(task):
    """Case 42."""
    task.run(120, PROTECT_AFTER)
    assert task.agent.calls == [(True, MINUTES)]
    assert task.gauge == 1


def test_the_protection_lasts_longer_than_the_longest_handler(task):
    task.run(1, PROTECT_AFTER)
    assert task.agent.calls[0][1] * 60 > HANDLER_TIMEOUT


def test_the_protection_is_renewed_at_half_its_duration(task):
    task.run(MINUTES * 60 / 2 + 2, PROTECT_AFTER)
    assert task.agent.calls == [(True, MINUTES)] * 2


def test_the_protection_ends_some_time_after_the_last_long_handler(task):
    task.run(1, PROTECT_AFTER)
    task.run(RELEASE_AFTER - 1, 0)
    assert len(task.agent.calls) == 1
    task.run(2, 0)
    assert task.agent.calls[-1] == (False, MINUTES)
    assert task.gauge == 0


def test_a_short_gap_between_long_handlers_costs_no_call(task):
    for _ in range(5):
        task.run(5, PROTECT_AFTER)
        task.run(RELEASE_AFTER - 5, 0)
    assert len(task.agent.calls) == 1


def test_a_failing_agent_is_called_again_later_without_a_limit(task):
    """Case 43."""
    task.agent.errors = [Unavailable("500", dependency="ecs-agent")] * 5
    task.run(RETRY_AFTER * 5 + 2, PROTECT_AFTER)
    assert len(task.agent.calls) == 6
    assert task.gauge == 1


def test_a_failed_release_is_repeated(task):
    task.run(1, PROTECT_AFTER)
    task.agent.errors = [Unavailable("500", dependency="ecs-agent")]
    task.run(RELEASE_AFTER + RETRY_AFTER + 2, 0)
    assert [enabled for enabled, _ in task.agent.calls] == [True, False, False]
    assert task.gauge == 0


def test_a_stop_ends_the_protection(task):
    task.run(1, PROTECT_AFTER)
    task.protection.drop()
    assert task.agent.calls[-1] == (False, MINUTES)


def test_a_stop_without_protection_calls_no_agent(task):
    task.run(10, 0)
    task.protection.drop()
    assert task.agent.calls == []


def test_a_stop_survives_a_failing_agent(task):
    task.run(1, PROTECT_AFTER)
    task.agent.errors = [Unavailable("500", dependency="ecs-agent")]
    task.protection.drop()
    assert len(task.agent.calls) == 2
