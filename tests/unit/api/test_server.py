"""A drain of order-api is as long as a gateway's cache, and leaves running requests time to end."""

import pytest
from support.fakes import FakeClock

from workers.api.server import LONGEST_DRAIN, accepts_until
from workers.runtime.worker import Deadline
from workers.settings import Settings

API_TIMEOUT = 30  # s that API Gateway waits for an answer: terraform/api.tf


@pytest.fixture(params=[5, 12, 30, 120, 3_600])
def deadline(request):
    return Deadline(request.param, now=FakeClock())


def left(deadline):
    """Return for how long (s) requests are still accepted."""
    return accepts_until(deadline) - deadline.now()


def test_before_the_stop_there_is_no_end(deadline):
    assert left(deadline) == float("inf")


@pytest.mark.parametrize(
    ("stop_timeout", "drain"), [(5, 1.25), (12, 3), (99, 24.75), (100, 25), (120, 25), (3_600, 25)]
)
def test_a_drain_takes_a_quarter_of_the_stop_timeout_and_25_s_at_most(stop_timeout, drain):
    deadline = Deadline(stop_timeout, now=FakeClock())
    deadline.start()
    assert left(deadline) == pytest.approx(drain)


def test_the_default_stop_timeout_gives_the_longest_drain_and_the_last_request_its_time():
    deadline = Deadline(Settings().stop_timeout, now=FakeClock())
    deadline.start()
    assert left(deadline) == LONGEST_DRAIN
    assert deadline.handlers_until - accepts_until(deadline) > API_TIMEOUT


def test_a_drain_passes_with_time(deadline):
    deadline.start()
    before = left(deadline)
    deadline.now.advance(1)
    assert left(deadline) == pytest.approx(before - 1)


def test_running_requests_have_longer_than_the_drain(deadline):
    deadline.start()
    assert deadline.handlers_until - accepts_until(deadline) > left(deadline)


@pytest.mark.parametrize("after", [0, 1])
def test_a_second_signal_ends_the_drain_at_once(deadline, after):
    deadline.start()
    deadline.now.advance(after)
    deadline.start()
    assert left(deadline) < 0
