"""Messages that crash or hang their worker do not affect other messages."""

from functools import partial

import pytest
from support.eventually import eventually
from support.harness import VISIBILITY, Harness, Service

from workers.events import decode
from workers.runtime.admission import HANDLER_HUNG, WORKER_ENDED
from workers.runtime.errors import LeaseLost, PermanentError, TransientError, Unavailable
from workers.runtime.ports import Attempt

POISON = "poison-1"
GOOD = [f"order-{n}" for n in range(9)]
MAX_ATTEMPTS = 3
HOUR = 3_600
DOWN = Unavailable("no answer", dependency="dynamodb")


class Killed(BaseException):
    """The process is killed at this point."""


def kill_on_poison(order):
    if order.order_id == POISON:
        raise Killed


def live_and_die(worker, *, deaths=20):
    """Run workers one after the other until the queue is empty; return how many were killed."""
    for death in range(deaths):
        try:
            worker.run_dry(pause=VISIBILITY)
        except Killed:
            worker.clock.advance(2 * VISIBILITY)
            worker = worker.restart()
        else:
            return death
    raise AssertionError("it does not end")


@pytest.mark.parametrize("position", [0, 4, 9])
def test_messages_next_to_one_that_kills_its_worker_are_handled(position):
    worker = Harness(Service(kill_on_poison))
    orders = [*GOOD[:position], POISON, *GOOD[position:]]
    worker.send(*orders)
    deaths = live_and_die(worker)
    assert deaths <= MAX_ATTEMPTS + 1
    assert [worker.effects(order) for order in GOOD] == [1] * len(GOOD)
    (letter,) = worker.queue.dead_letters
    assert decode(letter.message.body).data.order_id == POISON
    assert (letter.failure.reason, letter.failure.type) == (WORKER_ENDED, "worker_ended")
    assert letter.failure.attempts == MAX_ATTEMPTS
    assert letter.failure.trail.count("no end on record") == MAX_ATTEMPTS


def test_a_body_that_kills_the_decoder_is_covered_too():
    def decoder(body):
        if body == "a bomb":
            raise Killed
        return decode(body)

    worker = Harness(decode=decoder)
    worker.queue.send("a bomb")
    worker.send(*GOOD)
    live_and_die(worker)
    assert [worker.effects(order) for order in GOOD] == [1] * len(GOOD)
    (letter,) = worker.queue.dead_letters
    assert (letter.message.body, letter.failure.type) == ("a bomb", "worker_ended")


def test_two_messages_that_kill_in_one_batch_are_told_apart():
    poison = {"poison-1", "poison-2"}

    def act(order):
        if order.order_id in poison:
            raise Killed

    worker = Harness(Service(act))
    worker.send(*poison, *GOOD)
    live_and_die(worker)
    assert [worker.effects(order) for order in GOOD] == [1] * len(GOOD)
    dead = {decode(letter.message.body).data.order_id for letter in worker.queue.dead_letters}
    assert dead == poison


def came_back(worker, *, times=1):
    """Deliver every message to workers that never report back."""
    for _ in range(times):
        for message in worker.queue.receive(10, 0):
            worker.queue.redeliver(message.id)


def open_attempts(worker, count):
    for n in range(1, count + 1):
        attempt = Attempt(n, "2026-01-01", "worker-0")
        worker.store.record_attempt("message-1", attempt, returned=False)


@pytest.fixture
def worker():
    worker = Harness()
    worker.send("order-1")
    return worker


def test_a_first_delivery_is_not_looked_up(worker):
    worker.round()
    calls = worker.store.calls
    assert calls["attempts"] == calls["record_attempt"] == calls["excuse_attempt"] == 0


def test_a_message_that_came_back_unexplained_is_recorded_before_it_runs(worker):
    came_back(worker)
    seen = []
    worker.service.act = lambda _order: seen.append(worker.attempts())
    worker.round()
    assert seen == [1]
    assert worker.attempts() == 0
    assert worker.effects() == 1


def test_a_suspect_runs_alone(worker):
    came_back(worker)
    paused = []
    worker.service.act = lambda _order: paused.append(set(worker.permits.paused))
    worker.round()
    assert paused == [{"suspect"}]
    assert not worker.permits.paused


@pytest.mark.parametrize("error", [TransientError("later"), DOWN])
def test_a_message_that_a_worker_handed_back_is_no_suspect(worker, error):
    errors = [error] * (1 if isinstance(error, TransientError) and error is not DOWN else 1_000)
    seen = []

    def act(_order):
        seen.append(worker.permits.paused)
        if errors:
            raise errors.pop()

    worker.service.act = act
    worker.round()
    errors.clear()
    worker.run_dry()
    assert worker.effects() == 1
    assert "suspect" not in seen[-1]


def test_a_message_without_attempts_left_is_not_handled_again(worker):
    open_attempts(worker, MAX_ATTEMPTS)
    came_back(worker, times=MAX_ATTEMPTS)
    worker.round()
    assert worker.service.handled == []
    (letter,) = worker.queue.dead_letters
    assert letter.failure.reason == WORKER_ENDED


def test_a_dead_letter_that_could_not_be_sent_is_sent_later_without_another_attempt(worker):
    worker.service.act = lambda _order: (_ for _ in ()).throw(ValueError("a bug"))
    worker.queue.fail_next("dead_letter", RuntimeError("whatever"))
    worker.run_dry()
    assert worker.service.handled == ["order-1"] * MAX_ATTEMPTS
    (letter,) = worker.queue.dead_letters
    failure = letter.failure
    assert (failure.reason, failure.type, failure.attempts) == ("a bug", "ValueError", 3)


def test_failed_attempts_and_crashed_workers_count_together(worker):
    open_attempts(worker, 2)
    came_back(worker, times=2)
    worker.service.act = lambda _order: (_ for _ in ()).throw(ValueError("a bug"))
    worker.run_dry()
    assert worker.service.handled == ["order-1"]
    (letter,) = worker.queue.dead_letters
    assert (letter.failure.reason, letter.failure.attempts) == ("a bug", 3)


def test_a_suspect_that_meets_an_outage_is_excused(worker):
    came_back(worker)
    errors = [DOWN] * 3
    seen = []

    def act(_order):
        seen.append(worker.attempts())
        if errors:
            raise errors.pop()

    worker.service.act = act
    worker.round()
    assert worker.effects() == 1
    assert seen == [1, 1, 1, 1]  # one delivery is one attempt, however often it is tried
    assert worker.attempts() == 0


@pytest.mark.parametrize("lost_reply", [False, True])
def test_a_record_that_cannot_be_written_does_not_count_against_a_suspect(worker, lost_reply):
    """Its starts are recorded, but excuses fail while the handler fails."""

    def act(_order):
        raise DOWN

    worker.service.act = act
    for _ in range(MAX_ATTEMPTS + 1):
        came_back(worker)
        if lost_reply:
            worker.store.fail_next("record_attempt", DOWN, lost_reply=True)
            worker.store.fail_next("record_attempt", DOWN, times=50)
        worker.store.fail_next("excuse_attempt", DOWN, times=50)
        worker.round()
        worker.store.forget_faults()
        worker.clock.advance(HOUR)
    assert worker.queue.dead_letters == []
    worker.service.act = lambda _order: None
    worker.run_dry()
    assert worker.effects() == 1


def test_a_suspect_that_waits_for_the_environment_lets_others_run(worker):
    came_back(worker)
    errors = [DOWN] * 2
    paused = []
    tick = worker.tick

    def spy(seconds):
        paused.append("suspect" in worker.permits.paused)
        tick(seconds)

    worker.tick = spy
    worker.service.act = lambda _order: errors and (_ for _ in ()).throw(errors.pop())
    worker.round()
    assert paused
    assert not any(paused)


def test_a_suspect_whose_lease_is_lost_is_excused(worker):
    came_back(worker)

    def act(_order):
        worker.leases.lose(worker.unsettled()[0], "expired")
        raise LeaseLost("expired")

    worker.service.act = act
    worker.round()
    assert worker.attempts() == 0


def test_a_suspect_with_a_permanent_error_is_dead_lettered_with_that_reason(worker):
    came_back(worker)
    worker.service.act = lambda _order: (_ for _ in ()).throw(PermanentError("no"))
    worker.round()
    assert worker.queue.dead_letters[0].failure.reason == "no"
    assert worker.attempts() == 0


def test_no_suspect_runs_before_its_start_is_recorded(worker):
    came_back(worker)
    worker.store.fail_next("record_attempt", DOWN, times=2)
    calls = []
    worker.service.act = lambda _order: calls.append(worker.attempts())
    worker.round()
    assert calls == [1]


def test_a_handled_message_that_keeps_coming_back_is_never_given_up(worker):
    """Deletes fail for a long time. Each redelivery was handled before and is no attempt."""
    for _ in range(MAX_ATTEMPTS + 3):
        worker.queue.fail_next("delete", DOWN, times=3)
        worker.round()
        worker.clock.advance(2 * VISIBILITY)
        worker = worker.restart()
    worker.run_dry()
    assert worker.queue.dead_letters == []
    assert worker.effects() == 1


# Handlers that do not return.


def test_a_hung_handler_counts_as_an_attempt():
    """Its worker is replaced because of it; see ``ReceiveLoop.problems``."""
    worker = Harness(handler_timeout=100)
    worker.send("order-1")
    worker.receive()
    worker.leases.start(worker.next_lease())
    worker.tick(110)
    eventually(lambda: worker.attempts() == 1)
    known = worker.store.attempts("message-1")
    assert [a.error for a in known.attempts] == [HANDLER_HUNG]
    assert known.returned == 1  # no suspect: the next attempt may run with others


def test_a_message_that_hangs_every_time_is_dead_lettered():
    worker = Harness(handler_timeout=100)
    worker.send("order-1")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        worker.receive()
        worker.leases.start(worker.next_lease())
        worker.tick(110)
        eventually(partial(lambda count, w: w.attempts() == count, attempt, worker))
        worker = worker.restart()
        worker.clock.advance(VISIBILITY)
    worker.round()
    (letter,) = worker.queue.dead_letters
    assert letter.failure.reason == HANDLER_HUNG
    assert letter.failure.type == "handler_timeout"
    assert worker.service.handled == []


def test_a_redelivery_does_not_wait_for_a_lost_lease():
    worker = Harness(handler_timeout=100)
    worker.send("order-1")
    worker.receive()
    hung = worker.next_lease()
    worker.leases.start(hung)
    worker.tick(110)
    worker.clock.advance(VISIBILITY)
    worker.round()
    assert worker.effects() == 1
    assert worker.leases.oldest_running() > 100  # the hung handler still counts
    worker.leases.close(hung)
    assert worker.leases.oldest_running() > 100


# Stops.


def test_a_first_delivery_handed_back_at_a_stop_is_no_suspect(worker):
    worker.receive()
    worker.admission.excuse_all(worker.unsettled()).join()
    assert worker.store.attempts("message-1").returned == 1


def test_a_suspect_handed_back_at_a_stop_stays_one_without_a_recorded_start(worker):
    came_back(worker)

    def stop(_order):
        assert worker.attempts() == 1
        worker.admission.excuse_all(worker.unsettled()).join()
        worker.leases.hand_back()

    worker.service.act = stop
    worker.round()
    known = worker.store.attempts("message-1")
    assert (known.attempts, known.returned) == ((), 0)


def test_a_suspect_handed_back_before_its_turn_stays_one(worker):
    """Otherwise each deploy would let it run with others once more."""
    came_back(worker)
    worker.receive()
    worker.admission.excuse_all(worker.unsettled()).join()
    assert worker.store.attempts("message-1").returned == 0


def test_an_outage_does_not_clear_a_suspect(worker):
    came_back(worker)
    worker.service.act = lambda _order: (_ for _ in ()).throw(DOWN)
    worker.round()
    known = worker.store.attempts("message-1")
    assert (known.attempts, known.returned) == ((), 0)


def test_a_delivery_does_not_count_its_own_start_as_an_earlier_attempt(worker):
    """The excuse fails in the same outage as the handler, and the slot is kept."""
    open_attempts(worker, 2)
    came_back(worker, times=2)
    worker.store.fail_next("excuse_attempt", DOWN)
    errors = [DOWN]
    worker.service.act = lambda _order: errors and (_ for _ in ()).throw(errors.pop())
    worker.round()
    assert worker.effects() == 1
    assert worker.queue.dead_letters == []


def test_a_network_partition_longer_than_the_lease_counts_against_no_message(worker):
    """DynamoDB and SQS are both unreachable. The process survives and records that later."""
    for _ in range(MAX_ATTEMPTS + 1):
        came_back(worker)
        worker.store.fail_next("excuse_attempt", DOWN, times=1_000)
        worker.queue.fail_next("change_visibility", DOWN, times=1_000)
        worker.service.act = lambda _order: (_ for _ in ()).throw(DOWN)
        worker.receive()
        worker.work()
        worker.store.forget_faults()
        worker.queue.forget_faults()
        worker.admission.excuse_again()
        assert worker.attempts() == 0
        worker.clock.advance(2 * VISIBILITY)
        worker.service.act = lambda _order: None
    worker.run_dry()
    assert worker.effects() == 1
    assert worker.queue.dead_letters == []


# Threads that crash: a panic in a library, or a bug in the worker.


class Panic(BaseException):
    """A ``BaseException``, as pydantic's core raises for its own bugs."""


def test_a_message_that_crashes_its_thread_has_failed_an_attempt_and_is_a_suspect():
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    (lease,) = worker.unsettled()
    worker.admission.broken(lease, Panic("index out of bounds"))
    worker.admission.excuse_all([lease]).join()
    known = worker.store.attempts("message-1")
    assert [a.error for a in known.attempts] == ["Panic: index out of bounds"]
    assert known.returned == 0
