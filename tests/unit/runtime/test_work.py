"""The queue between the poller and the handler threads."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty

import pytest

from tests.support.eventually import eventually
from workers.runtime.lease import Lease
from workers.runtime.ports import Message
from workers.runtime.work import Work

LONG = 10.0  # s; only a failing test waits as long


def lease(number: int = 0) -> Lease:
    name = f"m-{number}"
    return Lease(Message(name, "{}", name, 1, 0.0), name, 0.0, 60.0)


def start(target: Callable[[], object], number: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=target, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture
def uninterrupted() -> Iterator[None]:
    """Let no other thread run until this one waits."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(LONG)
    yield
    sys.setswitchinterval(before)


def test_messages_are_taken_in_the_order_in_which_they_came() -> None:
    work, leases = Work(), [lease(number) for number in range(3)]
    for each in leases:
        work.put(each)
    assert work.qsize() == 3
    assert [work.get(), work.get_nowait(), work.get()] == leases


def test_nothing_to_take_at_once_is_an_error() -> None:
    with pytest.raises(Empty):
        Work().get_nowait()


@pytest.mark.parametrize("threads_first", [True, False])
def test_ten_messages_that_block_have_ten_threads(*, threads_first: bool) -> None:
    """Each handler waits for all the others: the tenth message must not wait for the first."""
    work, together, ended = Work(), threading.Barrier(10), []

    def handle() -> None:
        while work.get() is not None:
            together.wait(LONG)
            ended.append(1)

    if threads_first:
        start(handle, 10)
        eventually(lambda: work.idle == 10)
    for number in range(10):
        work.put(lease(number))
    if not threads_first:
        start(handle, 10)
    eventually(lambda: len(ended) == 10)


def test_a_message_does_not_wait_behind_one_that_blocks() -> None:
    """The thread that is woken for the first message finds that another has taken it."""
    work, release, taken = Work(), threading.Event(), []

    def handle() -> None:
        while (each := work.get()) is not None:
            taken.append(each.message.id)
            if each.message.id == "m-0":
                release.wait(LONG)

    start(handle, 2)
    eventually(lambda: work.idle == 2)
    work.put(lease(0))
    eventually(lambda: taken == ["m-0"])
    for number in (1, 2, 3):
        work.put(lease(number))
    eventually(lambda: len(taken) == 4)
    assert taken == ["m-0", "m-1", "m-2", "m-3"]
    release.set()


@pytest.mark.usefixtures("uninterrupted")
def test_nine_messages_wake_one_thread() -> None:
    """It wakes the next once it has taken one; with quick messages there is none left by then."""
    work = Work()
    start(work.get, 10)
    eventually(lambda: work.idle == 10)
    for number in range(9):
        work.put(lease(number))
    assert work.idle == 9


@pytest.mark.usefixtures("uninterrupted")
def test_a_thread_that_was_woken_in_vain_waits_for_the_next_message() -> None:
    work, taken = Work(), []

    def handle() -> None:
        while (each := work.get()) is not None:
            taken.append(each.message.id)

    start(handle, 1)
    eventually(lambda: work.idle == 1)
    work.put(lease(0))
    assert work.idle == 0
    work.get_nowait()
    eventually(lambda: work.idle == 1)
    work.put(lease(1))
    eventually(lambda: taken == ["m-1"])


def test_none_ends_each_thread_once() -> None:
    work = Work()

    def handle() -> None:
        while work.get() is not None:
            pass

    threads = start(handle, 20)
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)


def test_no_message_is_lost_or_taken_twice_by_many_threads() -> None:
    work, taken = Work(), []

    def handle() -> None:
        while (each := work.get()) is not None:
            taken.append(each.message.id)
            with suppress(Empty):
                work.put(work.get_nowait())  # as a batch that must not have it

    def fill(first: int) -> None:
        for number in range(first, first + 500):
            work.put(lease(number))
            if number % 13 == 0:
                time.sleep(0.0005)  # the threads become idle meanwhile

    threads = start(handle, 16)
    for first in (0, 1_000, 2_000):
        threading.Thread(target=fill, args=(first,), daemon=True).start()
    eventually(lambda: len(taken) == 1_500)
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join(LONG)
    assert set(Counter(taken).values()) == {1}
