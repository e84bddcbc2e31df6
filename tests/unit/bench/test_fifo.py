"""The FIFO queue of the benchmark keeps groups as SQS does."""

import pytest

from bench.standin.fifo import GROUPS, FifoQueue, new_queue
from bench.standin.queue import Queue, StaleHandle


@pytest.fixture
def queue():
    found = FifoQueue("bench.fifo")
    for number in range(2 * GROUPS + 1):
        found.send(str(number), 0)
    return found


def numbers(messages):
    return [message.number for message in messages]


def test_the_name_says_the_kind():
    assert isinstance(new_queue("bench.fifo"), FifoQueue)
    assert type(new_queue("bench")) is Queue


def test_a_receive_takes_a_group_in_order_and_blocks_it(queue):
    first = queue.receive(10, 30, 1)

    assert numbers(first)[:3] == [0, GROUPS, 2 * GROUPS]
    second = queue.receive(10, 30, 1)
    assert not {m.group for m in first} & {m.group for m in second}


def test_a_group_is_open_again_when_none_of_it_is_in_flight(queue):
    first = queue.receive(2, 30, 1)
    queue.delete(first[0].handle, 2)
    taken = queue.receive(10, 30, 2)
    assert "group-0" not in {m.group for m in taken}

    queue.hide(first[1].handle, 0, 3)
    while taken and "group-0" not in {m.group for m in taken}:
        taken = queue.receive(10, 30, 3)
    assert numbers(m for m in taken if m.group == "group-0") == [GROUPS, 2 * GROUPS]


def test_what_expires_comes_again_in_order(queue):
    assert numbers(queue.receive(3, 5, 0)) == [0, GROUPS, 2 * GROUPS]
    while queue.receive(10, 100, 1):
        pass

    assert numbers(queue.receive(10, 5, 6)) == [0, GROUPS, 2 * GROUPS]


def test_an_expired_handle_deletes_nothing(queue):
    handle = queue.receive(1, 5, 0)[0].handle
    queue.expire(6)

    with pytest.raises(StaleHandle):
        queue.delete(handle, 6)


def test_everything_is_delivered_once_and_deleted(queue):
    seen = []
    while queue.live:
        for message in queue.receive(10, 30, 1):
            seen.append(message.number)
            queue.delete(message.handle, 1)

    assert sorted(seen) == list(range(2 * GROUPS + 1))
    assert (queue.in_flight, queue.visible, queue.tally["deleted"]) == (0, 0, 2 * GROUPS + 1)
