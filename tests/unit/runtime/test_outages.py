"""Outages, partial failures and contention never dead-letter or lose a message of a fleet."""

import random
from itertools import pairwise

import pytest
from support.harness import Harness, Service

from workers.runtime.breaker import THRESHOLD
from workers.runtime.errors import Conflict, FatalError, TransientError, Unavailable
from workers.runtime.hold import HOLD
from workers.runtime.inbox import CONFLICT_TRIES, LONGEST_WAIT

HOUR = 3_600
DOWN = Unavailable("no answer", dependency="payment-gateway")
DENIED = FatalError("dynamodb: access denied")
CONTENDED = Conflict("others")


class Weather:
    """The environment of a fleet: handlers raise ``error`` unless it is None."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, _order):
        if self.error is not None:
            raise self.error.with_traceback(None)


class Fleet:
    """Several workers on one queue, one after the other, on one virtual clock."""

    def __init__(self, size, act, **options):
        first = Harness(Service(act), **options)
        self.workers = [first, *(first.restart() for _ in range(size - 1))]
        self.clock, self.queue, self.store = first.clock, first.queue, first.store
        self.send, self.effects = first.send, first.effects

    def run(self, seconds):
        """Let time pass while the workers take turns."""
        until = self.clock() + seconds
        while self.clock() < until:
            for worker in self.workers:
                worker.round()
            self.clock.advance(5)

    def deploy(self):
        """Replace every worker; unsettled messages become visible again by themselves."""
        self.workers = [worker.restart() for worker in self.workers]

    def drain(self):
        for _ in range(200):
            if not len(self.queue):
                return
            self.run(60)
        raise AssertionError(f"{len(self.queue)} messages are left")


def assert_all_handled_once(fleet, orders):
    fleet.drain()
    assert fleet.queue.dead_letters == []
    assert [fleet.effects(order) for order in orders] == [1] * len(orders)


@pytest.mark.parametrize("error", [DOWN, DENIED, CONTENDED], ids=["outage", "denied", "conflict"])
@pytest.mark.parametrize(("size", "messages"), [(1, 1), (2, 1), (3, 10), (40, 200)])
def test_hours_of_outage_dead_letter_nothing(size, messages, error):
    """Each worker has so little traffic that its breaker may never open."""
    weather = Weather(error)
    fleet = Fleet(size, weather)
    orders = [f"order-{n}" for n in range(messages)]
    fleet.send(*orders)
    fleet.run(2 * HOUR)
    assert fleet.queue.dead_letters == []
    weather.error = None
    assert_all_handled_once(fleet, orders)
    assert all(not log.attempts for log in fleet.store.attempt_logs.values())


def test_deploys_during_an_outage_dead_letter_nothing():
    weather = Weather(DOWN)
    fleet = Fleet(4, weather)
    orders = [f"order-{n}" for n in range(10)]
    fleet.send(*orders)
    for _ in range(50):
        fleet.run(120)
        fleet.deploy()
    weather.error = None
    assert_all_handled_once(fleet, orders)


def test_failures_of_some_orders_do_not_delay_the_others():
    """The gateway fails for ten orders only; each of them would fill a slot."""
    bad = {f"order-{n}" for n in range(10)}

    def act(order):
        if order.order_id in bad:
            raise DOWN

    fleet = Fleet(1, act)
    good = [f"order-{n}" for n in range(10, 60)]
    fleet.send(*bad)
    fleet.send(*good)
    fleet.run(3 * HOUR)
    assert [fleet.effects(order) for order in good] == [1] * len(good)
    bad.clear()
    assert_all_handled_once(fleet, good)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_dependency_that_fails_some_calls_costs_no_message(share):
    chance = random.Random(7)  # noqa: S311 - a test that repeats

    def act(_order):
        if chance.random() < share:
            raise DOWN

    fleet = Fleet(3, act)
    orders = [f"order-{n}" for n in range(100)]
    fleet.send(*orders)
    assert_all_handled_once(fleet, orders)


def test_successes_of_half_the_messages_do_not_hurt_the_other_half():
    """A success closes no breaker and dead-letters no other message."""
    down = True

    def act(order):
        if down and int(order.order_id.removeprefix("order-")) % 2:
            raise Unavailable("503", dependency="sns")

    fleet = Fleet(2, act)
    orders = [f"order-{n}" for n in range(30)]
    for order in orders:
        fleet.send(order)
        fleet.run(30)
    down = False
    assert_all_handled_once(fleet, orders)


# One worker.


def raising(*errors):
    """Raise the errors one by one, then handle orders normally."""
    left = list(errors)

    def act(_order):
        if left:
            raise left.pop(0)

    return act


def test_a_message_keeps_its_slot_through_a_short_outage():
    worker = Harness(Service(raising(*[DOWN] * (THRESHOLD - 1))))
    worker.send("order-1")
    worker.round()
    assert worker.effects() == 1
    assert worker.queue.calls["receive"] == 1


def test_pauses_between_tries_grow():
    worker = Harness(Service(raising(*[DOWN] * (THRESHOLD - 1))))
    times = []
    act = worker.service.act
    worker.service.act = lambda order: (times.append(worker.clock()), act(order))
    random.seed(3)
    worker.send("order-1")
    worker.round()
    pauses = [later - earlier for earlier, later in pairwise(times)]
    limits = [0.5, 1, 2, 4]
    assert all(0 < pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert pauses[-1] > pauses[0]


def test_a_message_refused_for_long_gives_its_slot_to_others():
    worker = Harness(Service(raising(*[CONTENDED] * 1_000)))
    started = worker.clock()
    worker.send("order-1")
    worker.receive()
    worker.work()
    last_try = CONFLICT_TRIES * LONGEST_WAIT  # the transaction itself is repeated that long
    assert worker.clock() - started <= HOLD + last_try
    worker.settle()
    assert worker.permits.held == 0
    assert worker.queue.in_flight == 1
    labels = {"event_type": "order.created", "settlement": "retry", "outcome": "retried"}
    assert worker.sample("settlements_total", **labels) == 1


def test_a_dependency_may_set_the_pause():
    worker = Harness(Service(raising(Unavailable("busy", dependency="ses", retry_after=20))))
    started = worker.clock()
    worker.send("order-1")
    worker.round()
    assert worker.effects() == 1
    assert worker.clock() - started >= 20


def test_a_message_asked_to_wait_longer_than_its_slot_allows_is_postponed():
    worker = Harness(Service(raising(Unavailable("busy", dependency="ses", retry_after=HOUR))))
    worker.send("order-1")
    started = worker.clock()
    worker.round()
    assert worker.clock() - started < HOLD
    assert worker.queue.extensions[-1] == ("message-1", HOUR)


def test_a_failed_attempt_that_cannot_be_counted_waits_until_it_can():
    worker = Harness(Service(raising(TransientError("a bug"))))
    worker.store.fail_next("record_attempt", Unavailable("no", dependency="dynamodb"), times=2)
    worker.send("order-1")
    worker.round()
    assert worker.effects() == 1


def test_a_message_postponed_because_of_the_environment_is_no_suspect():
    worker = Harness(Service(raising(*[CONTENDED] * 1_000)))
    worker.send("order-1")
    worker.round()
    assert worker.store.attempts("message-1").returned == 1


def test_the_last_receive_that_sqs_allows_ends_with_a_reason():
    """Only hundreds of lost replies and crashes can lead here."""
    worker = Harness(Service(raising(*[DOWN] * 1_000)))
    worker.send("order-1")
    worker.queue.received_before("message-1", times=999)
    worker.round()
    (letter,) = worker.queue.dead_letters
    assert letter.failure.type == "receives_exhausted"
    assert letter.failure.reason == "received 1000 times, last error: no answer"
