"""The process always exits in time, with the right exit code."""

import contextlib
import os
import signal
from threading import Event as Flag
from threading import Thread

import pytest
from structlog.testing import capture_logs
from support.fakes import FakeClock

from workers.runtime.worker import (
    BROKEN,
    DONE,
    IMPATIENT,
    INTERRUPTED,
    Deadline,
    UntilStopped,
    Worker,
)


@pytest.fixture(autouse=True)
def _signals():
    """Restore pytest's signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# The deadline.


@pytest.fixture
def deadline():
    return Deadline(120, now=FakeClock())


def test_before_the_stop_the_deadline_is_infinite(deadline):
    assert deadline.remaining() == float("inf")


def test_the_deadline_leaves_a_margin_before_the_platform_kills(deadline):
    deadline.start()
    assert deadline.remaining() == 110
    assert deadline.handlers_until - deadline.now() == 105


def test_a_short_stop_timeout_has_a_short_margin():
    deadline = Deadline(6, now=FakeClock())
    deadline.start()
    assert deadline.remaining() == 5
    assert deadline.handlers_until - deadline.now() == 4.5


def test_the_time_left_is_never_negative(deadline):
    deadline.start()
    deadline.now.advance(1_000)
    assert deadline.remaining() == 0


def test_a_second_signal_leaves_two_seconds(deadline):
    """Case 22."""
    deadline.start()
    deadline.start()
    assert deadline.remaining() == IMPATIENT
    assert deadline.handlers_until < deadline.now()


def test_a_third_signal_adds_no_time(deadline):
    deadline.start()
    deadline.start()
    deadline.now.advance(1)
    deadline.start()
    assert deadline.remaining() == IMPATIENT - 1


def test_a_second_signal_near_the_end_adds_no_time(deadline):
    deadline.start()
    deadline.now.advance(109)
    deadline.start()
    assert deadline.remaining() == 1


def test_a_signal_that_interrupts_the_handler_of_another_counts():
    """Case 22: Python may run the second signal handler in the middle of the first."""

    class Interrupted(FakeClock):
        def __call__(self):
            if interruptions:
                interruptions.pop()
                deadline.start()
            return super().__call__()

    interruptions = ["SIGINT"]
    deadline = Deadline(120, now=Interrupted())
    deadline.start()
    assert deadline.remaining() == IMPATIENT


# The worker.


class Loop:
    """A ``Running`` with one thread, controlled by the test."""

    def __init__(self, loop=None, *, finishes=True):
        self.started = Flag()
        self.stopping = Flag()
        self.finishes = finishes
        self.drained_with = None
        self._loop = loop or self.stopping.wait

    def threads(self):
        return {"loop": self._run}

    def drain(self, deadline):
        self.drained_with = deadline.remaining()
        self.stopping.set()
        return self.finishes

    def _run(self):
        self.started.set()
        self._loop()


def signalled(loop, *numbers):
    """Run a worker and send it signals once it has started."""
    worker = Worker(loop, stop_timeout=120)

    def send():
        loop.started.wait(5)
        for number in numbers:
            os.kill(os.getpid(), number)

    Thread(target=send, daemon=True).start()
    with capture_logs():
        return worker.run()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_worker_and_the_exit_code_is_0(number):
    loop = Loop()
    assert signalled(loop, number) == DONE
    assert 109 < loop.drained_with <= 110


def test_interrupted_work_has_its_own_exit_code():
    assert signalled(Loop(finishes=False), signal.SIGTERM) == INTERRUPTED


def test_a_second_signal_hurries_the_drain():
    """Case 22."""

    class Slow(Loop):
        def drain(self, deadline):
            os.kill(os.getpid(), signal.SIGINT)
            return super().drain(deadline)

    loop = Slow()
    signalled(loop, signal.SIGTERM)
    assert loop.drained_with <= IMPATIENT


@pytest.mark.parametrize("error", [RuntimeError("a bug"), SystemExit(0), KeyboardInterrupt()])
def test_a_thread_that_dies_ends_the_worker(error):
    """Cases 23 and 26: it must not look alive, and the code is not zero."""

    def die():
        raise error

    loop = Loop(die)
    worker = Worker(loop, stop_timeout=120)
    assert worker.problems() == []
    with capture_logs() as lines:
        assert worker.run() == BROKEN
    assert worker.problems() == ["the thread loop died"]
    assert loop.drained_with is not None
    # The threads of other tests may still write lines.
    assert [line["thread"] for line in lines if line["event"] == "thread.died"] == ["loop"]
    assert worker.stopping


def test_a_thread_alongside_that_dies_ends_the_worker_too():
    def die():
        raise RuntimeError("a bug")

    worker = Worker(Loop(), stop_timeout=120, alongside={"credentials": die})
    with capture_logs():
        assert worker.run() == BROKEN


def test_a_thread_that_returns_does_not_end_the_worker():
    loop = Loop(lambda: None)
    assert signalled(loop, signal.SIGTERM) == DONE


# ``UntilStopped``.


def stopped(loop, seconds=120, now=None):
    running = UntilStopped({"relay": loop})
    (target,) = running.threads().values()

    def run():
        with contextlib.suppress(RuntimeError):
            target()

    Thread(target=run, daemon=True).start()
    deadline = Deadline(seconds, **({"now": now} if now else {}))
    deadline.start()
    return running.drain(deadline)


def test_a_loop_ends_once_its_flag_is_set():
    assert stopped(lambda stopping: stopping.wait())


def test_a_loop_knows_the_deadline_which_a_second_signal_moves():
    seen = []

    def loop(stopping):
        stopping.wait()
        seen.append(stopping.deadline.remaining())
        stopping.deadline.start()
        seen.append(stopping.deadline.remaining())

    assert stopped(loop, now=FakeClock())
    assert seen == [110, IMPATIENT]


def test_a_loop_is_ready_while_it_runs():
    running = UntilStopped({"relay": lambda stopping: stopping.wait()})
    assert running.obstacles() == ["starting"]
    (target,) = running.threads().values()
    thread = Thread(target=target, daemon=True)
    thread.start()
    while running.obstacles():
        thread.join(0.001)
    running.drain(Deadline(120))
    assert running.obstacles() == ["stopping"]


def test_a_loop_that_does_not_end_is_left_behind():
    clock = FakeClock()

    def now():
        clock.advance(10)
        return clock()

    assert not stopped(lambda _stopping: Flag().wait(), now=now)


def test_the_drain_does_not_wait_for_a_loop_that_died():
    def die(_stopping):
        raise RuntimeError("a bug")

    assert stopped(die)


def test_the_drain_waits_for_every_loop():
    last, clock = Flag(), FakeClock()
    running = UntilStopped(
        {"relay": lambda stopping: stopping.wait(), "shard-0": lambda _: last.wait()}
    )
    for target in running.threads().values():
        Thread(target=target, daemon=True).start()

    def now():
        clock.advance(10)
        return clock()

    hurried = Deadline(120, now=now)
    hurried.start()
    assert not running.drain(hurried)
    last.set()
    assert running.drain(Deadline(120))
