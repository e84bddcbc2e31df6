"""A dependency fails after three lost answers, and works again after one."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from support.fakes import FakeClock

from workers.runtime.dependencies import FAILURES, MEMORY, Dependencies
from workers.runtime.errors import Unavailable

DOWN = Unavailable("connect timeout", dependency="dynamodb")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def dependencies(registry, clock):
    return Dependencies(registry, ["dynamodb", "sns"], now=clock)


def fail(dependencies, times=FAILURES):
    for _ in range(times):
        dependencies.failed(DOWN)


def test_a_lost_answer_is_no_outage(dependencies, registry):
    fail(dependencies, FAILURES - 1)
    assert dependencies.failing() == []
    assert registry.get_sample_value("dependency_failing", {"dependency": "dynamodb"}) == 0


def test_an_outage_is_named_counted_and_logged_once(dependencies, registry):
    with capture_logs() as lines:
        fail(dependencies, 2 * FAILURES)
    assert dependencies.obstacles() == ["dynamodb does not answer"]
    assert registry.get_sample_value("dependency_failing", {"dependency": "dynamodb"}) == 1
    assert registry.get_sample_value("dependency_failing", {"dependency": "sns"}) == 0
    assert lines == [
        {
            "event": "dependency.failing",
            "log_level": "warning",
            "dependency": "dynamodb",
            "reason": "connect timeout",
        }
    ]


def test_one_answer_ends_the_outage_and_the_count(dependencies):
    fail(dependencies)
    with capture_logs() as lines:
        dependencies.succeeded("dynamodb")
    assert [line["event"] for line in lines] == ["dependency.working"]
    fail(dependencies, FAILURES - 1)
    assert dependencies.failing() == []


def test_the_answer_of_another_dependency_ends_nothing(dependencies):
    fail(dependencies)
    dependencies.succeeded("sns")
    assert dependencies.failing() == ["dynamodb"]


def test_failures_are_forgotten_when_nothing_calls_any_more(dependencies, clock, registry):
    fail(dependencies)
    clock.advance(MEMORY)
    assert dependencies.failing() == []
    assert registry.get_sample_value("dependency_failing", {"dependency": "dynamodb"}) == 0
    dependencies.failed(DOWN)
    assert dependencies.failing() == []
