"""A worker receives only what can start soon, and no slot stays empty for lack of a poll."""

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeClock
from support.harness import RestlessClock

from workers.limits import MAX_BATCH
from workers.runtime.permits import MAX_POLLERS, PATIENCE, Permits


def a_thread(function, *args):
    answers = []
    thread = Thread(target=lambda: answers.append(function(*args)), daemon=True)
    thread.start()
    return thread, answers


def held_by(permits, count):
    """Put ``count`` messages in flight."""
    while permits.held < count:
        taken = permits.take()
        wanted = min(taken, count - permits.held + taken)
        permits.received(taken, wanted)


def test_a_poll_asks_for_no_more_than_can_start():
    assert Permits(3).take() == 3


def test_a_poll_asks_for_no_more_than_sqs_returns():
    assert Permits(25).take() == MAX_BATCH


def test_permits_that_a_poll_did_not_need_are_returned():
    permits = Permits(10)
    permits.received(permits.take(), 4)
    assert permits.held == 4


def test_a_finished_message_returns_its_permit():
    permits = Permits(10)
    permits.received(permits.take(), 1)
    permits.finished(0.5)
    assert permits.held == 0


def test_nothing_is_read_ahead_before_the_rate_is_known():
    assert Permits(10).read_ahead == 0


@pytest.mark.parametrize(
    ("duration", "read_ahead"),
    [(0.001, 20), (0.125, 20), (0.25, 10), (0.5, 5), (2.4, 1), (2.6, 0), (60.0, 0)],
)
def test_messages_read_ahead_start_within_a_quarter_of_a_second(duration, read_ahead):
    permits = Permits(10)
    permits.received(permits.take(), 1)
    permits.finished(duration)
    assert permits.read_ahead == read_ahead


def test_the_measured_rate_changes_slowly():
    permits = Permits(10)
    held_by(permits, 2)
    permits.finished(1.0)
    permits.finished(2.0)
    assert permits.mean_duration == pytest.approx(1.1)


def test_a_message_whose_handler_did_not_run_does_not_affect_the_rate():
    permits = Permits(10)
    held_by(permits, 1)
    permits.finished(None)
    assert permits.mean_duration is None


def test_a_poll_with_few_free_slots_waits_a_moment_for_more():
    clock = RestlessClock(PATIENCE / 4)
    permits = Permits(20, now=clock)
    held_by(permits, 19)
    before = FakeClock.__call__(clock)
    assert permits.take() == 1
    assert FakeClock.__call__(clock) - before >= PATIENCE


def test_a_pause_lasts_until_its_reason_is_removed():
    permits = Permits(10)
    permits.pause("breaker:sns")
    permits.pause("acks")
    thread, answers = a_thread(permits.take)
    permits.resume("acks")
    thread.join(0.02)
    assert permits.paused == {"breaker:sns"}
    assert answers == []
    permits.resume("breaker:sns")
    thread.join(2)
    assert answers == [10]


def test_a_stop_releases_every_waiting_poller():
    permits = Permits(40)
    threads = [a_thread(permits.take, poller) for poller in range(1, MAX_POLLERS)]
    permits.stop()
    for thread, answers in threads:
        thread.join(2)
        assert answers == [0]


def a_backlog(permits):
    """Receive two full polls, one right after the other: many messages are waiting."""
    for _ in range(2):
        permits.received(permits.take(0), MAX_BATCH)


def test_full_polls_add_pollers_and_an_empty_poll_removes_them():
    permits = Permits(100)
    assert permits.pollers == MAX_POLLERS
    a_backlog(permits)
    assert permits.take(1) == MAX_BATCH
    permits.received(MAX_BATCH, MAX_BATCH)
    assert permits.take(2) == MAX_BATCH
    permits.received(MAX_BATCH, 0)
    thread, answers = a_thread(permits.take, 1)
    thread.join(0.02)
    assert answers == []
    permits.stop()


def test_full_polls_after_pauses_do_not_add_a_poller():
    """A steady stream fills some polls by chance; a second poller would halve the next batch."""
    permits = Permits(100)
    permits.received(permits.take(0), MAX_BATCH)
    for _ in range(5):
        permits.lingered()
        permits.received(permits.take(0), MAX_BATCH)
    thread, answers = a_thread(permits.take, 1)
    thread.join(0.02)
    assert answers == []
    permits.stop()


def test_a_poll_that_empties_the_queue_removes_the_other_pollers():
    """With few messages, two pollers would fetch half as much each with twice the requests."""
    permits = Permits(100)
    a_backlog(permits)
    permits.received(permits.take(0), MAX_BATCH - 1)
    thread, answers = a_thread(permits.take, 1)
    thread.join(0.02)
    assert answers == []
    permits.stop()


def test_the_first_free_slot_wakes_the_poller_that_may_poll():
    """Idle pollers wait on the same condition and must not consume its wake-up."""
    permits = Permits(40)
    held_by(permits, 39)
    permits.received(permits.take(0), 0)  # an empty poll: one poller is enough
    permits.take(0)
    for poller in range(1, MAX_POLLERS):
        a_thread(permits.take, poller)
    thread, answers = a_thread(permits.take, 0)
    thread.join(0.02)
    permits.finished(60.0)
    thread.join(2)
    assert answers == [1]
    permits.stop()


def test_slots_freed_at_once_by_a_faster_rate_wake_a_poller():
    """One finished message may enlarge the read-ahead by several permits."""
    permits = Permits(40)
    held_by(permits, 40)
    permits.received(0, 0)
    thread, answers = a_thread(permits.take, 0)
    thread.join(0.02)
    permits.finished(2.0)  # one slot, and a read-ahead of five
    thread.join(2)
    assert answers == [6]


@given(st.lists(st.tuples(st.integers(1, 10), st.floats(0.0001, 100))), st.integers(1, 200))
def test_permits_are_neither_lost_nor_created(polls, concurrency):
    permits = Permits(concurrency, now=RestlessClock())
    for count, duration in polls:
        taken = permits.take()
        got = min(count, taken)
        permits.received(taken, got)
        assert permits.held == got
        assert permits.held <= concurrency + MAX_BATCH
        for _ in range(got):
            permits.finished(duration)
        assert permits.held == 0


def test_permits_of_open_polls_are_held_but_not_in_use():
    permits = Permits(10)
    taken = permits.take()
    assert (permits.held, permits.in_use) == (10, 0)

    permits.received(taken, 3)
    assert (permits.held, permits.in_use) == (3, 3)

    permits.take()
    assert (permits.held, permits.in_use) == (10, 3)
    permits.finished(None)
    assert (permits.held, permits.in_use) == (9, 2)
