"""A caller is served up to a number of requests per minute, by all tasks together."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeClock, FakeCounts
from support.order_api import ORDER, Api

from workers.api.callers import EVERYBODY
from workers.api.rate import BLIND, LARGEST_SHARE, WINDOW, RateLimit, granted, share_of
from workers.runtime.errors import Unavailable

MINUTE = 1_750_000_020.0  # the start of one
SILENCE = Unavailable("no answer", dependency="dynamodb")


@dataclass(frozen=True)
class Caller:
    subject: str


class Fleet:
    """Tasks of order-api that share their counts."""

    def __init__(self, per_minute, tasks=1):
        self.clock, self.counts = FakeClock(MINUTE), FakeCounts()
        self.tasks = [RateLimit(self.counts, per_minute, now=self.clock) for _ in range(tasks)]

    def served(self, requests, caller="ada"):
        """Send requests to the tasks in turn; return how many are served."""
        turns = (self.tasks[i % len(self.tasks)] for i in range(requests))
        return sum(task.allows(caller) for task in turns)


@given(limit=st.integers(1, 500), tasks=st.integers(1, 8))
def test_no_caller_gets_more_than_the_limit_from_all_tasks_and_little_is_lost(limit, tasks):
    fleet = Fleet(limit, tasks)

    served = fleet.served(2 * limit + tasks)

    assert served == limit  # each task has its turn, so each uses up what it took


@given(limit=st.integers(1, 500), tasks=st.integers(2, 8))
def test_what_other_tasks_took_and_did_not_use_is_about_a_tenth(limit, tasks):
    fleet = Fleet(limit, tasks)
    for task in fleet.tasks[1:]:
        assert task.allows("ada") or limit < tasks

    served = sum(fleet.tasks[0].allows("ada") for _ in range(2 * limit))

    lost = (tasks - 1) * min(LARGEST_SHARE, limit // 10)
    assert limit - (tasks - 1) - lost <= served <= limit


def test_one_write_counts_ten_requests_and_near_the_limit_fewer():
    fleet = Fleet(1_000)

    assert fleet.served(900) == 900
    assert fleet.counts.calls["add"] == 90
    assert fleet.served(200) == 100
    assert fleet.counts.calls["add"] < 90 + 50


def test_a_caller_over_the_limit_costs_no_more_writes():
    fleet = Fleet(20)
    fleet.served(30)
    before = fleet.counts.calls["add"]

    assert fleet.served(1_000) == 0
    assert fleet.counts.calls["add"] == before


def test_every_minute_has_the_whole_limit():
    fleet = Fleet(20)
    assert fleet.served(30) == 20
    fleet.clock.advance(WINDOW - 0.001)
    assert fleet.served(30) == 0
    fleet.clock.advance(0.001)
    assert fleet.served(30) == 20


def test_callers_do_not_share_a_limit():
    fleet = Fleet(20)

    assert [fleet.served(30, caller) for caller in ("ada", "bob")] == [20, 20]


def test_threads_of_one_task_take_one_share_at_a_time():
    fleet, together = Fleet(1_000), Barrier(20)

    def ask(_):
        together.wait(10)
        return fleet.tasks[0].allows("ada")

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(ask, range(20)))
    assert fleet.counts.calls["add"] == 2


def test_no_request_is_refused_because_counts_do_not_answer():
    fleet = Fleet(20)
    assert fleet.served(30) == 20
    fleet.clock.advance(WINDOW)
    fleet.counts.fail_next("add", SILENCE, times=1_000)

    assert fleet.served(100) == 100


def test_counts_that_do_not_answer_are_asked_every_few_seconds():
    fleet = Fleet(20)
    fleet.counts.fail_next("add", SILENCE)
    fleet.served(100)
    assert fleet.counts.calls["add"] == 1

    fleet.clock.advance(BLIND)

    assert fleet.served(100) == 20


def test_a_clock_that_is_set_back_brings_no_time_without_a_limit():
    fleet = Fleet(20)
    fleet.counts.fail_next("add", SILENCE)
    fleet.served(1)

    fleet.clock.advance(-600)

    assert fleet.served(100) == 20


def test_a_row_names_no_caller():
    fleet = Fleet(20)
    fleet.served(1, "ada@example.com")

    ((name, _),) = fleet.counts.sums
    assert "ada" not in name


@given(limit=st.integers(1, 10**6), counted=st.integers(0, 2 * 10**6))
def test_a_share_is_within_the_limit(limit, counted):
    share = share_of(limit, counted)

    assert 1 <= share <= LARGEST_SHARE
    assert 0 <= granted(limit, counted + share, share) <= max(0, limit - counted)


@pytest.fixture
def limited():
    """Return order-api with a limit of two requests, 15 s after the start of a minute."""

    async def ada(_authorization):
        return replace(EVERYBODY, subject="ada")

    return Api(identify=ada, rate=RateLimit(FakeCounts(), 2, now=FakeClock(MINUTE + 15)))


def test_a_request_over_the_limit_gets_429_and_says_when_to_return(limited):
    limited.place()
    limited.place()

    answer = limited.post("/orders", ORDER)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (429, 429)
    assert problem["type"] == "urn:problem-type:too-many-requests"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "45"


def test_placing_changing_and_reading_count(limited):
    order = f"/orders/{limited.place()['orderId']}"
    assert limited.get(order).status_code == 200

    assert limited.get(order).status_code == 429
    assert limited.post(f"{order}/cancel", {}).status_code == 429
    assert limited.get("/healthz").status_code == 200


def test_a_refused_request_changes_nothing(limited):
    limited.place()
    limited.place()
    before = dict(limited.store.documents)

    limited.post("/orders", ORDER)

    assert limited.store.documents == before


def test_a_request_without_a_subject_is_not_limited():
    api = Api(rate=RateLimit(FakeCounts(), 1, now=FakeClock(MINUTE)))

    for _ in range(5):
        api.place()
