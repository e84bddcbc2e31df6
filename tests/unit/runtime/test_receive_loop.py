"""All threads of a receive loop together: normal operation, stops and health."""

import math
from contextlib import contextmanager, suppress
from threading import Event as Flag
from threading import Semaphore, Thread
from time import monotonic

import pytest
from structlog.testing import capture_logs
from support.builders import an_envelope, an_order
from support.fakes import FakeClock, FakeQueue, FakeRoster, FakeStore, FakeTopic
from support.harness import Service

from workers.events import decode
from workers.runtime.acks import MAX_BACKLOG
from workers.runtime.assembly import Config, Ports, assemble
from workers.runtime.errors import Unavailable
from workers.runtime.handler import Handlers
from workers.runtime.roster import Pause
from workers.runtime.worker import Deadline

PATIENCE = 5  # s of real time; the limit for everything here
POLL = 0.02  # s; the duration of an empty poll


@pytest.fixture(autouse=True)
def _quiet():
    with capture_logs():
        yield


class Gate:
    """A handler that blocks until it is opened, and counts its calls."""

    def __init__(self):
        self.came = Semaphore(0)
        self.opened = Flag()

    def __call__(self, _order):
        self.came.release()
        self.opened.wait(PATIENCE)

    def wait_for(self, count):
        for _ in range(count):
            assert self.came.acquire(timeout=PATIENCE)


class Agent:
    def __init__(self):
        self.enabled = []

    def protect(self, *, enabled, minutes):
        assert minutes
        self.enabled.append(enabled)


class Running:
    """A receive loop with its threads."""

    def __init__(self, act=None, *, concurrency=2, stop_timeout=30, receive_wait=POLL, agent=None):
        self.roster = FakeRoster()
        self.clock = FakeClock()
        self.queue = FakeQueue(clock=self.clock, blocking=True)
        self.store, self.topic = FakeStore(), FakeTopic()
        self.service = Service(act)
        self.parts = assemble(
            Handlers(self.service),
            decode,
            Ports(self.queue, self.topic, self.store, agent, self.roster),
            Config(
                service="payment",
                worker="worker-1",
                version="version-1",
                concurrency=concurrency,
                max_attempts=3,
                max_receives=5,
                receive_wait=receive_wait,
                receive_linger=0,
                protect_after=stop_timeout / 2,
                max_event_age=math.inf,  # the events are those of a virtual clock
            ),
        )
        self.loop = self.parts.loop()
        self.deadline = Deadline(stop_timeout)
        self.threads = []

    def start(self):
        for name, target in self.loop.threads().items():
            thread = Thread(target=self._run, args=(target,), name=name, daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    def send(self, *order_ids):
        for order_id in order_ids:
            envelope = an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}")
            self.queue.send(envelope.encode())

    def drain(self, *, hurry=False):
        self.deadline.start()
        if hurry:
            self.deadline.start()
        return self.loop.drain(self.deadline)

    def sample(self, name):
        labels = {"service": "payment", "messaging_destination_name": self.queue.name}
        return self.parts.telemetry.registry.get_sample_value(f"messaging_{name}", labels)

    @staticmethod
    def _run(target):
        with suppress(BaseException):  # the worker deals with the death of a thread
            target()


def eventually(condition):
    until = monotonic() + PATIENCE
    never = Flag()
    while not condition():
        assert monotonic() < until
        never.wait(0.002)


@contextmanager
def within(seconds):
    before = monotonic()
    yield
    assert monotonic() - before < seconds


def test_messages_flow_from_the_queue_to_their_settlement():
    running = Running(concurrency=10).start()
    running.send(*[f"order-{n}" for n in range(200)])
    eventually(lambda: len(running.queue) == 0)
    assert len(running.service.handled) == 200
    assert len(running.topic.published) == 200
    assert running.queue.dead_letters == []
    assert running.drain() is True


def test_settlements_of_many_messages_share_their_requests():
    running = Running(concurrency=10)
    running.send(*[f"order-{n}" for n in range(500)])
    running.start()
    eventually(lambda: len(running.queue) == 0)
    assert running.queue.calls["delete"] <= 110
    running.drain()


def test_a_slow_message_does_not_delay_the_others():
    """Cases 31 and 32."""
    gate = Gate()
    running = Running(
        lambda order: gate(order) if order.order_id == "slow" else None, concurrency=2
    )
    running.send("slow", *[f"order-{n}" for n in range(100)])
    running.start()
    eventually(lambda: len(running.service.handled) == 101)
    gate.opened.set()
    assert running.drain() is True


def test_an_idle_loop_stops_at_once():
    running = Running().start()
    with within(4):
        assert running.drain() is True
    for thread in running.threads:
        if thread.name not in ("lease", "protection"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_a_stop_waits_for_a_running_handler():
    """Case 20."""
    gate = Gate()
    running = Running(gate).start()
    running.send("order-1")
    gate.wait_for(1)
    Thread(target=lambda: eventually(running.loop.obstacles) or gate.opened.set()).start()
    assert running.drain() is True
    assert len(running.queue) == 0


def test_messages_from_a_poll_open_at_the_stop_are_handled():
    """Case 18."""
    running = Running(receive_wait=PATIENCE).start()
    eventually(lambda: running.queue.calls["receive"] == 2)
    ended = []
    stop = Thread(target=lambda: ended.append(running.drain()))
    stop.start()
    eventually(lambda: "stopping" in running.loop.obstacles())
    running.send("order-1")
    stop.join(PATIENCE)
    assert ended == [True]
    assert running.service.handled == ["order-1"]
    assert len(running.queue) == 0
    assert running.queue.calls["receive"] == 2


def test_a_hung_handler_is_left_behind_and_its_message_handed_back():
    """Case 21."""
    gate = Gate()
    running = Running(gate, concurrency=1, stop_timeout=1).start()
    running.send("order-1")
    gate.wait_for(1)
    with within(4):
        assert running.drain() is False
    assert running.queue.visible == 1
    assert running.sample("handed_back_messages_total") == 1
    gate.opened.set()


def test_a_handler_that_ends_after_its_message_was_handed_back_commits_nothing():
    gate = Gate()
    running = Running(gate, concurrency=1, stop_timeout=1).start()
    running.send("order-1")
    gate.wait_for(1)
    running.drain()
    gate.opened.set()
    for thread in running.threads:
        if thread.name.startswith("handler"):
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert running.store.documents == {}
    assert running.queue.visible == 1


def test_a_second_signal_leaves_the_handler_behind():
    """Case 22."""
    gate = Gate()
    running = Running(gate, concurrency=1, stop_timeout=120).start()
    running.send("order-1")
    gate.wait_for(1)
    with within(4):
        assert running.drain(hurry=True) is False
    assert running.queue.visible == 1
    gate.opened.set()


def test_a_message_that_was_not_started_is_handed_back_without_another_receive():
    """Case 19: after the last poll, or this process would receive it again."""
    gate = Gate()
    running = Running(gate, concurrency=1, stop_timeout=1)
    running.send("order-1")
    running.start()
    gate.wait_for(1)
    # This rate allows for a read-ahead; then the next handler hangs.
    gate.opened.set()
    eventually(lambda: len(running.queue) == 0)
    gate.opened.clear()
    running.send("order-2", "order-3", "order-4")
    gate.wait_for(1)
    eventually(lambda: running.queue.in_flight == 3)
    assert running.drain() is False
    assert running.queue.visible == 3
    assert running.service.handled == ["order-1", "order-2"]
    received = running.queue.calls["receive"]
    gate.opened.set()
    assert running.queue.calls["receive"] == received


def test_a_record_that_is_slow_to_write_leaves_time_to_hand_back():
    gate, left = Gate(), []
    running = Running(gate, concurrency=25, stop_timeout=12)
    running.store.excuse_attempt = lambda *_args, **_named: gate.opened.wait(PATIENCE)
    hide = running.queue.change_visibility

    def change_visibility(changes):
        left.extend(running.deadline.remaining() for _, seconds in changes if seconds == 0)
        return hide(changes)

    running.queue.change_visibility = change_visibility
    running.start()
    running.send(*(f"order-{n}" for n in range(25)))
    gate.wait_for(25)
    running.deadline.now = lambda: monotonic() - 9  # of the 10 s for handlers
    running.deadline.start()
    running.deadline.now = monotonic
    assert running.loop.drain(running.deadline) is False
    assert len(left) == running.queue.visible == 25
    assert min(left) > 0
    gate.opened.set()


def test_a_message_that_would_not_end_in_time_is_not_started():
    """An open poll returns it with 0.9 s left, while handlers take 0.4 s."""
    running = Running(
        lambda _order: Flag().wait(0.4), concurrency=1, stop_timeout=1.2, receive_wait=0.5
    )
    running.send("order-1")
    running.start()
    eventually(lambda: len(running.queue) == 0)
    polls = running.queue.calls["receive"]
    eventually(lambda: running.queue.calls["receive"] > polls)
    ended = []
    stop = Thread(target=lambda: ended.append(running.drain()))
    stop.start()
    eventually(lambda: "stopping" in running.loop.obstacles())
    running.send("order-2")
    stop.join(PATIENCE)
    assert ended == [True]
    assert running.service.handled == ["order-1"]
    assert running.queue.visible == 1


def test_settlements_that_fail_during_the_stop_are_repeated():
    """Case 17."""
    gate = Gate()
    running = Running(gate).start()
    running.send("order-1")
    gate.wait_for(1)
    running.queue.fail_next("delete", Unavailable("503", dependency="sqs"), times=3)
    gate.opened.set()
    assert running.drain() is True
    assert len(running.queue) == 0


def test_unconfirmed_settlements_count_as_interrupted_work():
    gate = Gate()
    running = Running(gate, stop_timeout=1).start()
    running.send("order-1")
    gate.wait_for(1)
    running.queue.fail_next("delete", Unavailable("503", dependency="sqs"), times=5)
    gate.opened.set()
    with within(4):
        assert running.drain() is False


def test_messages_that_wait_for_a_dependency_are_handed_back_at_the_stop():
    def act(_order):
        raise Unavailable("no answer", dependency="sns")

    running = Running(act, concurrency=6).start()
    running.send(*[f"order-{n}" for n in range(6)])
    eventually(lambda: "sns does not answer" in running.loop.obstacles())
    with within(4):
        assert running.drain() is True
    assert len(running.queue) == 6


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_a_handler_that_kills_its_thread_does_not_delay_the_stop(error):
    """Case 26."""

    def die(_order):
        raise error

    running = Running(die, concurrency=2).start()
    running.send("order-1")
    eventually(lambda: running.service.handled)
    with within(4):
        running.drain()
    assert running.queue.visible == 1
    (attempt,) = running.store.attempts("message-1").attempts
    assert attempt.error.startswith(type(error).__name__)


def test_a_poller_that_dies_does_not_delay_the_stop():
    """Case 26."""
    running = Running()
    running.queue.fail_next("receive", RuntimeError("a bug"))
    running.start()
    eventually(lambda: running.queue.calls["receive"] == 1)
    with within(4):
        assert running.drain() is True


def test_an_ack_thread_that_dies_does_not_delay_the_stop():
    """Case 26."""
    running = Running(stop_timeout=30)
    running.queue.fail_next("delete", RuntimeError("a bug"))
    running.start()
    running.send("order-1")
    eventually(lambda: running.queue.calls["delete"] == 1)
    with within(4):
        assert running.drain() is False


def test_protection_ends_with_the_loop():
    agent = Agent()
    gate = Gate()
    running = Running(gate, stop_timeout=1, agent=agent).start()
    running.send("order-1")
    gate.wait_for(1)
    eventually(lambda: running.sample("scale_in_protected") == 1)
    running.drain()
    eventually(lambda: agent.enabled == [True, False])
    gate.opened.set()


def test_a_worker_is_on_the_roster_from_its_start_to_its_stop():
    running = Running().start()
    eventually(lambda: running.roster.ids == {"worker-1"})
    assert running.drain() is True
    assert running.roster.ids == set()


def test_a_worker_that_starts_during_a_pause_does_not_poll():
    running = Running()
    running.roster.paused = Pause(by="ann", at="2026-01-02T12:00:00+00:00")
    running.start()
    eventually(lambda: running.roster.beats)
    assert running.roster.beats["worker-1"].paused
    assert running.queue.calls["receive"] == 0
    assert running.drain() is True


def test_a_roster_that_does_not_answer_delays_neither_the_stop_nor_a_message():
    gate = Gate()
    running = Running()
    beat = running.roster.beat
    running.roster.beat = lambda heartbeat: gate(heartbeat) or beat(heartbeat)
    running.start()
    gate.wait_for(1)
    running.send("order-1")
    eventually(lambda: running.service.handled == ["order-1"])
    with within(4):
        assert running.drain() is True
    gate.opened.set()


# Health.


def test_a_loop_that_receives_has_no_obstacles_and_no_problems():
    running = Running().start()
    eventually(lambda: not running.loop.obstacles())
    assert running.loop.problems() == []
    running.drain()


def test_a_loop_is_not_ready_before_the_first_answered_poll():
    assert Running().loop.obstacles() == ["the queue does not answer"]


def test_a_failing_queue_is_an_obstacle_but_no_problem():
    """Case 25."""
    running = Running()
    running.queue.fail_next("receive", Unavailable("503", dependency="sqs"), times=2)
    running.start()
    eventually(lambda: running.queue.calls["receive"] == 1)
    assert running.loop.problems() == []
    eventually(lambda: not running.loop.obstacles())
    running.drain()


def test_settlements_that_pile_up_are_an_obstacle():
    running = Running(concurrency=10)
    running.queue.fail_next("delete", Unavailable("503", dependency="sqs"), times=1_000)
    running.send(*[f"order-{n}" for n in range(MAX_BACKLOG)])
    running.start()
    eventually(lambda: "the queue does not confirm settlements" in running.loop.obstacles())
    assert running.loop.problems() == []


def test_a_stopping_worker_is_not_ready_but_healthy():
    running = Running().start()
    running.drain()
    assert "stopping" in running.loop.obstacles()
    assert running.loop.problems() == []


def test_many_pollers_neither_lose_nor_duplicate_a_message():
    running = Running(concurrency=40)
    running.send(*[f"order-{n}" for n in range(1_000)])
    running.start()
    eventually(lambda: len(running.queue) == 0)
    assert sorted(running.service.handled) == sorted(f"order-{n}" for n in range(1_000))
    assert running.sample("client_consumed_messages_total") == 1_000
    assert running.drain() is True
