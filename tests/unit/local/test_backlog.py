"""The embedded SQS finds visible messages in order, without a search through all of them."""

import itertools

import pytest
from moto.sqs.models import Message

from local.aws.services.backlog import Backlog


class Looked(Message):
    """A message that counts the reads of its timestamps."""

    looks = 0

    @property
    def visible_at(self):
        Looked.looks += 1
        return self._visible_at

    @visible_at.setter
    def visible_at(self, value):
        self._visible_at = value


class Clock:
    def __init__(self):
        self.ms = 1_000.0

    def __call__(self):
        return self.ms


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backlog(clock):
    return Backlog(clock)


def filled(backlog, count):
    messages = [Looked(str(number), "body") for number in range(count)]
    for message in messages:
        backlog.append(message)
    return messages


def receive(backlog, clock, count, timeout_ms=10_000):
    """Take messages like moto: hide them while they are being returned."""
    taken = []
    for message in itertools.islice(backlog.visible(), count):
        message.visible_at = clock() + timeout_ms
        message.receipt_handle = f"handle-{message.id}-{clock()}"
        taken.append(message)
    return taken


def test_messages_are_returned_in_order_of_arrival(backlog, clock):
    messages = filled(backlog, 5)
    assert receive(backlog, clock, 2) == messages[:2]
    assert receive(backlog, clock, 5) == messages[2:]
    assert receive(backlog, clock, 5) == []


def test_a_message_returns_when_its_timeout_ends_and_not_before(backlog, clock):
    messages = filled(backlog, 3)
    receive(backlog, clock, 1)
    clock.ms += 10_000
    assert list(backlog.visible()) == messages[1:]
    assert backlog.next_visible() == clock()
    clock.ms += 1
    assert list(backlog.visible()) == messages


def test_a_message_is_returned_once_however_often_its_timeout_changed(backlog, clock):
    (message,) = filled(backlog, 1)
    receive(backlog, clock, 1)
    for until in (clock() + 50_000, 0.0, clock() + 50_000, 0.0):
        message.visible_at = until
        backlog.refile(message)
    assert list(backlog.visible()) == [message]
    clock.ms += 100_000
    assert list(backlog.visible()) == [message]


def test_a_delayed_message_is_not_visible_and_not_in_flight(backlog, clock):
    message = Looked("late", "body")
    message.delayed_until = clock() + 500
    backlog.append(message)
    filled(backlog, 2)
    receive(backlog, clock, 1)
    assert backlog.counts() == (1, 1, 1)
    clock.ms += 501
    assert backlog.counts() == (2, 0, 1)


def test_a_message_that_was_offered_but_not_taken_stays_visible(backlog):
    messages = filled(backlog, 3)
    assert next(iter(backlog.visible())) is messages[0]
    assert list(backlog.visible()) == messages


def test_a_message_is_found_by_all_its_handles_until_it_is_removed(backlog, clock):
    (message,) = filled(backlog, 1)
    receive(backlog, clock, 1)
    first = message.receipt_handle
    message._old_receipt_handles.append(first)  # noqa: SLF001 - moto stores them there
    clock.ms += 20_000
    receive(backlog, clock, 1)
    assert backlog.find(first) is backlog.find(message.receipt_handle) is message
    backlog.remove(message)
    assert (backlog.find(first), backlog.find(message.receipt_handle)) == (None, None)
    assert (len(backlog), list(backlog.visible())) == (0, [])


def looks_of_a_message_s_life(count):
    clock = Clock()
    backlog = Backlog(clock)
    filled(backlog, count)
    Looked.looks = 0
    for message in receive(backlog, clock, 10):
        message.visible_at = clock() + 20_000
        backlog.refile(message)
        backlog.remove(backlog.find(message.receipt_handle))
    backlog.counts()
    backlog.next_visible()
    return Looked.looks


def test_no_operation_searches_the_other_messages():
    assert 0 < looks_of_a_message_s_life(100) == looks_of_a_message_s_life(10_000)
