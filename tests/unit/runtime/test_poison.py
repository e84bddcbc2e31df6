"""Messages that end their worker, or never let it go: they take no others with them."""

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
    """The process ends here and now."""


def kill_on_poison(order):
    if order.order_id == POISON:
        raise Killed


def live_and_die(worker, *, deaths=20):
    """Run workers one after the other until the queue is empty; returns how many were killed."""
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
def test_neighbours_of_a_message_that_kills_take_effect(position):
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


def test_two_of_them_in_one_batch_are_told_apart():
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
    """Deliver what is in the queue, to workers that never say what became of it."""
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


def test_a_message_that_came_back_unexplained_is_on_record_while_it_runs(worker):
    came_back(worker)
    seen = []
    worker.service.act = lambda _order: seen.append(worker.attempts())
    worker.round()
    assert seen == [1]
    assert worker.attempts() == 0
    assert worker.effects() == 1


def test_and_alone(worker):
    came_back(worker)
    paused = []
    worker.service.act = lambda _order: paused.append(set(worker.permits.paused))
    worker.round()
    assert paused == [{"suspect"}]
    assert not worker.permits.paused


@pytest.mark.parametrize("error", [TransientError("later"), DOWN])
def test_what_a_worker_gave_back_itself_is_no_suspect(worker, error):
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


def test_attempts_that_are_used_up_are_not_followed_by_another(worker):
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


def test_failed_attempts_and_ended_workers_count_together(worker):
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
    assert seen == [1, 1, 1, 1]  # one delivery, one attempt, however often it is tried
    assert worker.attempts() == 0


@pytest.mark.parametrize("lost_reply", [False, True])
def test_nor_does_a_brown_out_of_the_record_count_against_it(worker, lost_reply):
    """Its starts are recorded, but while the handler is refused, nothing can be excused."""

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
        lease = worker.leases.unsettled()[0]
        lease.lost = "expired"
        raise LeaseLost("expired")

    worker.service.act = act
    worker.round()
    assert worker.attempts() == 0


def test_a_suspect_that_can_never_succeed_is_dead_lettered_for_that(worker):
    came_back(worker)
    worker.service.act = lambda _order: (_ for _ in ()).throw(PermanentError("no"))
    worker.round()
    assert worker.queue.dead_letters[0].failure.reason == "no"
    assert worker.attempts() == 0


def test_no_suspect_runs_before_its_start_is_on_record(worker):
    came_back(worker)
    worker.store.fail_next("record_attempt", DOWN, times=2)
    calls = []
    worker.service.act = lambda _order: calls.append(worker.attempts())
    worker.round()
    assert calls == [1]


def test_a_handled_message_that_keeps_coming_back_is_never_given_up(worker):
    """Deletes fail for long: each redelivery is found handled, and is no attempt."""
    for _ in range(MAX_ATTEMPTS + 3):
        worker.queue.fail_next("delete", DOWN, times=3)
        worker.round()
        worker.clock.advance(2 * VISIBILITY)
        worker = worker.restart()
    worker.run_dry()
    assert worker.queue.dead_letters == []
    assert worker.effects() == 1


# Handlers that do not return.


def test_a_handler_that_hangs_is_an_attempt():
    """Its worker is replaced for it; see ``ReceiveLoop.problems``."""
    worker = Harness(handler_timeout=100)
    worker.send("order-1")
    worker.receive()
    worker.leases.start(worker.next_lease())
    worker.tick(110)
    eventually(lambda: worker.attempts() == 1)
    known = worker.store.attempts("message-1")
    assert [a.error for a in known.attempts] == [HANDLER_HUNG]
    assert known.returned == 1  # others may run beside the next attempt: it does not kill


def test_one_that_hangs_every_time_is_dead_lettered():
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


def test_a_redelivery_does_not_wait_for_a_lease_that_was_lost():
    worker = Harness(handler_timeout=100)
    worker.send("order-1")
    worker.receive()
    hung = worker.next_lease()
    worker.leases.start(hung)
    worker.tick(110)
    worker.clock.advance(VISIBILITY)
    worker.round()
    assert worker.effects() == 1
    assert worker.leases.oldest_running() > 100  # and the hung one is not forgotten
    worker.leases.close(hung)
    assert worker.leases.oldest_running() > 100


# Stops.


def test_a_first_delivery_that_a_stop_hands_back_is_no_suspect(worker):
    worker.receive()
    worker.admission.excuse_all(worker.leases.unsettled()).join()
    assert worker.store.attempts("message-1").returned == 1


def test_a_suspect_that_a_stop_hands_back_stays_one_but_has_no_start_on_record(worker):
    came_back(worker)

    def stop(_order):
        assert worker.attempts() == 1
        worker.admission.excuse_all(worker.leases.unsettled()).join()
        for lease in worker.leases.unsettled():
            lease.lost = "handed back"

    worker.service.act = stop
    worker.round()
    known = worker.store.attempts("message-1")
    assert (known.attempts, known.returned) == ((), 0)


def test_a_suspect_that_a_stop_hands_back_before_its_turn_stays_one(worker):
    """Or each deploy would let it run with neighbours once more."""
    came_back(worker)
    worker.receive()
    worker.admission.excuse_all(worker.leases.unsettled()).join()
    assert worker.store.attempts("message-1").returned == 0


def test_nor_does_an_outage_clear_a_suspect(worker):
    came_back(worker)
    worker.service.act = lambda _order: (_ for _ in ()).throw(DOWN)
    worker.round()
    known = worker.store.attempts("message-1")
    assert (known.attempts, known.returned) == ((), 0)


def test_a_delivery_does_not_count_its_own_start_as_an_earlier_one(worker):
    """The excuse fails in the outage that its handler met, and the slot is kept."""
    open_attempts(worker, 2)
    came_back(worker, times=2)
    worker.store.fail_next("excuse_attempt", DOWN)
    errors = [DOWN]
    worker.service.act = lambda _order: errors and (_ for _ in ()).throw(errors.pop())
    worker.round()
    assert worker.effects() == 1
    assert worker.queue.dead_letters == []


def test_a_partition_that_outlasts_the_lease_counts_against_nobody(worker):
    """Neither DynamoDB nor SQS is there; the process lives on, and says so later."""
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


# Threads that end: a panic of a library, a bug of ours.


class Panic(BaseException):
    """As pydantic's core raises it for a bug of its own."""


def test_a_message_that_ends_its_thread_has_failed_an_attempt_and_is_a_suspect():
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    (lease,) = worker.leases.unsettled()
    lease.broke = Panic("index out of bounds")
    worker.admission.excuse_all([lease]).join()
    known = worker.store.attempts("message-1")
    assert [a.error for a in known.attempts] == ["Panic: index out of bounds"]
    assert known.returned == 0
