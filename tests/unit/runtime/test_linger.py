"""A poll waits for company only while that pays: few requests, and little latency."""

import random

import pytest
from support.fakes import FakeClock

from workers.limits import MAX_BATCH
from workers.runtime.linger import Linger

TRIP = 0.015  # s that a request takes


def play(rate, *, longest=0.05, taken=MAX_BATCH, messages=3000, seed=1):
    """Poll a queue at which messages arrive at random; return (polls, mean delay) per message."""
    chance, clock = random.Random(seed), FakeClock()  # noqa: S311 - reproducible arrivals
    linger, at, arrivals = Linger(longest, clock), clock(), []
    for _ in range(messages):
        at += chance.expovariate(rate)
        arrivals.append(at)
    polls, delay, waiting = 0, 0.0, arrivals
    while waiting:
        began = clock()
        at_sqs = max(began + TRIP / 2, waiting[0])  # a long poll ends with the first message
        count = sum(each <= at_sqs for each in waiting[:taken])
        delay += sum(at_sqs - each for each in waiting[:count])
        waiting = waiting[count:]
        clock.advance(at_sqs + TRIP / 2 - began)
        polls += 1
        clock.advance(linger.after(count, taken, clock() - began))
    return polls / messages, delay / messages


def test_polls_are_nearly_full_where_messages_arrive_fast():
    polls, delay = play(rate=200)
    assert polls < 0.14
    assert delay < 0.03


@pytest.mark.parametrize("rate", [1, 20, 40])
def test_nothing_is_delayed_where_a_pause_would_not_pay(rate):
    (polls, delay), (most, least) = play(rate), play(rate, longest=0)
    assert polls > 0.97 * most
    assert delay < 1.03 * least


def test_a_backlog_is_not_delayed():
    linger = Linger(0.05, FakeClock())
    pauses = [linger.after(10, 10, TRIP) for _ in range(20)]
    assert pauses[2:] == [0.0] * 18


def test_a_worker_with_few_slots_waits_for_few_messages():
    polls, delay = play(rate=200, taken=4)
    assert polls < 0.31
    assert delay < 0.022


def test_a_quiet_minute_does_not_hide_a_burst():
    clock = FakeClock()
    linger = Linger(0.05, clock)
    clock.advance(60)
    linger.after(1, 10, 60)
    pauses = []
    for _ in range(30):  # little more than a second
        clock.advance(0.04)
        pauses.append(linger.after(8, 10, TRIP))
    assert pauses[-1] == pytest.approx(0.03, abs=0.015)


def busy(longest):
    """Return a linger that has measured 200 messages a second, and its last pause."""
    clock, pause = FakeClock(), 0.0
    linger = Linger(longest, clock)
    for _ in range(50):
        clock.advance(0.03)
        pause = linger.after(6, 10, TRIP)
    return linger, pause


def test_an_empty_poll_is_followed_at_once():
    linger, pause = busy(0.05)
    assert pause > 0
    assert linger.after(0, 10, 20.0) == 0


def test_a_full_poll_is_followed_sooner():
    """More had arrived than it could take: the rest is waiting already."""
    after_nine, after_ten = busy(0.05)[0], busy(0.05)[0]
    longer, shorter = after_nine.after(9, 10, TRIP), after_ten.after(10, 10, TRIP)
    assert 0 < shorter < longer - 0.008  # two messages take 10 ms to arrive


def test_without_a_linger_there_is_no_pause():
    assert busy(0)[1] == 0
