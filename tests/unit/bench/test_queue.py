"""The stand-in's queue behaves as SQS does, where a client could tell the difference."""

import pytest

from bench.standin.queue import InvalidHandle, NotInFlight, Queue, StaleHandle


@pytest.fixture
def queue():
    return Queue("bench")


def receive(queue, now, limit=10, hide_for=30):
    return queue.receive(limit, hide_for, now)


def test_a_received_message_is_hidden_until_its_timeout_ends(queue):
    queue.send("a", 0)

    assert len(receive(queue, 0)) == 1
    assert receive(queue, 29.9) == []
    assert len(receive(queue, 30)) == 1
    assert queue.tally["duplicates"] == 1


def test_each_receive_counts_and_returns_a_new_handle(queue):
    message = queue.send("a", 0)
    handles = set()
    for turn in range(3):
        receive(queue, turn * 30)
        handles.add(message.handle)

    assert (message.receives, len(handles)) == (3, 3)


def test_a_receive_returns_at_most_its_limit_oldest_first(queue):
    for body in "abc":
        queue.send(body, 0)

    assert [message.body for message in receive(queue, 0, limit=2)] == ["a", "b"]
    assert (queue.visible, queue.in_flight) == (1, 2)


def test_a_deleted_message_never_comes_back_and_may_be_deleted_again(queue):
    message = queue.send("a", 0)
    receive(queue, 0)

    assert queue.delete(message.handle, 1)
    assert queue.delete(message.handle, 2)
    assert receive(queue, 100) == []
    assert (queue.live, queue.in_flight) == (0, 0)


def test_an_expired_message_can_be_deleted_unless_it_was_received_again(queue):
    message = queue.send("a", 0)
    receive(queue, 0)
    queue.expire(31)

    assert queue.delete(message.handle, 31)
    assert receive(queue, 100) == []
    assert (queue.live, queue.in_flight) == (0, 0)


def test_a_stale_handle_is_accepted_and_deletes_nothing(queue):
    message = queue.send("a", 0)
    receive(queue, 0)
    stale = message.handle
    receive(queue, 30)

    assert not queue.delete(stale, 31)
    assert len(receive(queue, 60)) == 1


def test_a_new_timeout_counts_from_the_request(queue):
    message = queue.send("a", 0)
    receive(queue, 0)
    queue.hide(message.handle, 30, 20)

    assert receive(queue, 49) == []
    assert len(receive(queue, 50)) == 1


def test_a_timeout_of_zero_returns_the_message_at_once(queue):
    message = queue.send("a", 0)
    receive(queue, 0)
    queue.hide(message.handle, 0, 5)

    assert len(receive(queue, 5)) == 1


def test_a_stale_handle_cannot_hide_a_message(queue):
    message = queue.send("a", 0)
    receive(queue, 0)
    stale = message.handle
    receive(queue, 30)

    with pytest.raises(StaleHandle):
        queue.hide(stale, 30, 31)


@pytest.mark.parametrize(("end", "error"), [("expired", NotInFlight), ("deleted", StaleHandle)])
def test_a_message_that_is_not_in_flight_cannot_be_hidden(queue, end, error):
    message = queue.send("a", 0)
    receive(queue, 0)
    if end == "deleted":
        queue.delete(message.handle, 1)

    with pytest.raises(error):
        queue.hide(message.handle, 30, 31)


@pytest.mark.parametrize("handle", ["", "nonsense", "f" * 12])
def test_an_unknown_handle_is_refused(queue, handle):
    with pytest.raises(InvalidHandle):
        queue.delete(handle, 0)


def test_the_next_expiry_ignores_deleted_and_renewed_messages(queue):
    first, second = queue.send("a", 0), queue.send("b", 0)
    receive(queue, 0)
    queue.delete(first.handle, 1)
    queue.hide(second.handle, 60, 1)

    assert queue.next_expiry() == 61
