"""Long polls of the stand-in, on a virtual clock."""

import pytest

from bench.standin.polls import Polls
from bench.standin.queue import Queue


class Timer:
    def __init__(self, at, call, arguments):
        self.at, self.call, self.arguments, self.cancelled = at, call, arguments, False

    def cancel(self):
        self.cancelled = True


class Clock:
    """A clock and the one method of an event loop that polls need."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def call_later(self, delay, call, *arguments):
        timer = Timer(self.now + delay, call, arguments)
        self.timers.append(timer)
        return timer

    def advance(self, to):
        while due := [t for t in self.timers if not t.cancelled and t.at <= to]:
            timer = min(due, key=lambda each: each.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.call(*timer.arguments)
        self.now = to


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def polls(clock):
    return Polls(Queue("bench"), clock, lambda: clock.now)


@pytest.fixture
def answers():
    return []


def bodies(answers):
    return [[message.body for message in answer] for answer in answers]


def test_a_poll_returns_at_once_if_messages_are_visible(polls, answers):
    polls.queue.send("a", 0)

    assert polls.receive(10, 30, 20, answers.append) is None
    assert bodies(answers) == [["a"]]


def test_a_short_poll_does_not_wait(polls, answers):
    assert polls.receive(10, 30, 0, answers.append) is None
    assert answers == [[]]


def test_a_waiting_poll_is_answered_by_the_message_that_arrives(polls, answers):
    polls.receive(10, 30, 20, answers.append)
    assert answers == []

    polls.queue.send("a", 0)
    polls.wake()
    assert bodies(answers) == [["a"]]


def test_a_poll_ends_empty_when_its_wait_is_over(polls, clock, answers):
    polls.receive(10, 30, 20, answers.append)

    clock.advance(19.9)
    assert answers == []
    clock.advance(20)
    assert answers == [[]]


def test_a_message_that_becomes_visible_again_goes_to_the_poll_that_waits(polls, clock, answers):
    polls.queue.send("a", 0)
    polls.receive(10, 5, 20, answers.append)
    polls.receive(10, 5, 20, answers.append)

    clock.advance(5.1)
    assert bodies(answers) == [["a"], ["a"]]


def test_a_message_that_a_waiting_poll_took_goes_to_the_next_one_later(polls, clock, answers):
    polls.receive(10, 5, 20, answers.append)
    polls.receive(10, 5, 20, answers.append)
    polls.queue.send("a", 0)
    polls.wake()

    clock.advance(5.1)
    assert bodies(answers) == [["a"], ["a"]]


def test_a_message_handed_back_early_does_not_wait_for_its_old_timeout(polls, clock, answers):
    message = polls.queue.send("a", 0)
    polls.receive(10, 60, 20, answers.append)
    polls.receive(10, 60, 20, answers.append)
    polls.queue.hide(message.handle, 2, 0)
    polls.wake()

    clock.advance(2.1)
    assert bodies(answers) == [["a"], ["a"]]


def test_the_poll_that_waits_longest_is_served_first(polls):
    served = []
    polls.receive(1, 30, 20, lambda _: served.append("first"))
    polls.receive(1, 30, 20, lambda _: served.append("second"))
    polls.queue.send("a", 0)
    polls.wake()

    assert served == ["first"]


def test_a_poll_whose_client_has_disconnected_takes_no_message(polls, answers):
    polls.receive(10, 30, 20, answers.append).forget()
    polls.queue.send("a", 0)
    polls.wake()

    assert (answers, polls.queue.visible) == ([], 1)
