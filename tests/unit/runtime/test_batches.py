"""Messages are handled together, and each ends as if it had been alone."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from support.builders import an_envelope, an_order
from support.harness import VISIBILITY, Counting, Harness
from support.power_cuts import PowerCut

from workers.runtime.batch import MOST
from workers.runtime.breaker import THRESHOLD
from workers.runtime.errors import Conflict, PermanentError, TransientError, Unavailable
from workers.runtime.hold import HOLD
from workers.runtime.inbox import CONFLICT_TRIES
from workers.runtime.leases import HANDLER_TIMEOUT
from workers.runtime.memory import INBOX_RETENTION

DOWN = Unavailable("throttled", dependency="dynamodb")
ORDERS = [f"order-{n}" for n in range(10)]


class Panic(BaseException):
    """A ``BaseException``, as pydantic's core raises for its own bugs."""


def failing(order_id, error):
    def act(order):
        if order.order_id == order_id:
            raise error

    return act


def a_worker(act=None, *, orders=ORDERS, **options):
    worker = Harness(Counting(act), **options)
    worker.send(*orders)
    return worker


def total(worker):
    return worker.store.documents.get("total", {}).get("orders", 0)


def assert_each_counted_once(worker, *orders):
    assert {order: worker.effects(order) for order in orders} == dict.fromkeys(orders, 1)
    assert total(worker) == len(orders)
    assert worker.permits.held == len(worker.leases) == worker.acks.backlog == 0


def batches(worker):
    """The calls of the handler with more than one order."""
    return [call for call in worker.service.calls if len(call) > 1]


def test_messages_that_wait_are_handled_in_one_transaction():
    worker = a_worker()

    worker.round()

    assert worker.service.calls == [ORDERS]
    assert worker.store.calls["commit"] == 1
    assert worker.store.records.keys() == {f"order-api#event-{order}" for order in ORDERS}
    assert len(worker.queue) == 0
    assert_each_counted_once(worker, *ORDERS)


def test_a_message_that_is_alone_is_handled_at_once():
    worker = a_worker(orders=["order-1"])

    worker.round()

    assert worker.service.calls == [["order-1"]]
    assert_each_counted_once(worker, "order-1")


def test_a_batch_has_a_limit():
    orders = [f"order-{n}" for n in range(MOST + 10)]
    worker = a_worker(orders=orders, concurrency=MOST + 10)
    while worker.queue.deliverable:
        worker.receive()

    worker.work()

    assert [len(call) for call in worker.service.calls] == [MOST, 10]


def test_each_message_has_its_own_line_and_its_own_record_of_the_handling():
    worker = a_worker(orders=["order-1", "order-2"])

    with capture_logs() as lines:
        worker.round()

    settled = [line for line in lines if line["event"] == "message.settled"]
    assert [(line["orderId"], line["outcome"]) for line in settled] == [
        ("order-1", "handled"),
        ("order-2", "handled"),
    ]
    handlings = worker.store.handlings
    assert [handlings[f"order-api#event-{n}"].message_id for n in ("order-1", "order-2")] == [
        "message-1",
        "message-2",
    ]


def test_an_event_that_was_handled_before_is_left_out_and_the_others_are_handled():
    worker = a_worker(orders=["order-3"])
    worker.round()
    worker.send(*ORDERS)

    with capture_logs() as lines:
        worker.round()

    others = [order for order in ORDERS if order != "order-3"]
    assert worker.service.calls[1:] == [ORDERS, others]
    outcomes = {x["orderId"]: x["outcome"] for x in lines if x["event"] == "message.settled"}
    assert outcomes == dict.fromkeys(others, "handled") | {"order-3": "repeated"}
    assert len(worker.queue) == 0
    assert_each_counted_once(worker, *ORDERS)


def test_an_event_that_is_in_the_batch_twice_counts_once():
    worker = a_worker(orders=["order-1", "order-2", "order-1"])

    worker.round()

    assert batches(worker) == [["order-1", "order-2"]]
    assert len(worker.queue) == 0
    assert_each_counted_once(worker, "order-1", "order-2")


@pytest.mark.parametrize("error", [ValueError("a bug"), TransientError("broken")])
def test_an_event_that_fails_fails_alone_until_its_attempts_are_used_up(error):
    worker = a_worker(failing("order-6", error))

    worker.round()

    others = [order for order in ORDERS if order != "order-6"]
    assert {order: worker.effects(order) for order in ORDERS} == dict.fromkeys(others, 1) | {
        "order-6": 0
    }
    assert total(worker) == 9
    failed = [n for n in range(10) if worker.attempts(f"message-{n + 1}")]
    assert (failed, worker.attempts("message-7")) == ([6], 1)
    worker.run_dry()
    (letter,) = worker.queue.dead_letters
    assert (letter.message.id, letter.failure.attempts) == ("message-7", 3)
    assert str(error) in letter.failure.reason
    assert_each_counted_once(worker, *others)


@pytest.mark.parametrize(
    "refused", [lambda tx: tx.add("total", {"orders": "x"}), lambda tx: tx.add("t", {"n": "x"})]
)
def test_an_event_that_dynamodb_refuses_is_dead_lettered_alone(refused):
    def act(order):
        if order.order_id == "order-0":
            refused(worker.service.tx)

    worker = a_worker(act)

    worker.run_dry()

    (letter,) = worker.queue.dead_letters
    assert (letter.message.id, letter.failure.type) == ("message-1", "permanent")
    assert_each_counted_once(worker, *ORDERS[1:])


def test_a_message_that_cannot_be_read_is_dead_lettered_alone():
    worker = Harness(Counting())
    worker.queue.send("not JSON")
    worker.send(*ORDERS[:5])

    worker.round()

    assert worker.service.calls == [ORDERS[:5]]
    (letter,) = worker.queue.dead_letters
    assert letter.failure.type == "malformed"
    assert_each_counted_once(worker, *ORDERS[:5])


def test_an_event_that_may_be_forgotten_is_refused_alone():
    worker = a_worker(orders=ORDERS[:3])
    long_ago = worker.clock.now() - INBOX_RETENTION - timedelta(seconds=1)
    old = an_envelope(an_order(order_id="old"), event_id="event-old", occurred_at=long_ago)
    worker.queue.send(old.encode())

    worker.round()

    assert worker.service.calls == [ORDERS[:3]]
    (letter,) = worker.queue.dead_letters
    assert letter.failure.type == "too_old"


def test_a_conflict_is_retried_together():
    worker = a_worker()
    worker.store.fail_next("commit", Conflict("others"), times=CONFLICT_TRIES)

    worker.round()

    assert worker.service.calls == [ORDERS] * (CONFLICT_TRIES + 1)
    assert_each_counted_once(worker, *ORDERS)


def test_after_a_conflict_that_persists_each_event_is_handled_alone():
    worker = a_worker()
    worker.store.fail_next("commit", Conflict("others"), times=CONFLICT_TRIES + 1)

    worker.round()

    assert worker.service.calls[CONFLICT_TRIES + 1 :] == [[order] for order in ORDERS]
    assert_each_counted_once(worker, *ORDERS)


def test_a_batch_that_is_throttled_stays_together_and_is_no_attempt():
    worker = a_worker()
    worker.store.fail_next("commit", DOWN, times=3)

    worker.round()

    assert worker.service.calls == [ORDERS] * 4
    assert worker.store.calls["commit"] == 4
    assert worker.attempts() == 0
    assert_each_counted_once(worker, *ORDERS)


def test_a_batch_whose_reply_is_lost_counts_once():
    worker = a_worker()
    worker.store.fail_next("commit", DOWN, lost_reply=True)

    with capture_logs() as lines:
        worker.round()

    assert {x["outcome"] for x in lines if x["event"] == "message.settled"} == {"repeated"}
    assert_each_counted_once(worker, *ORDERS)


def test_a_batch_that_was_held_for_a_minute_goes_back_to_the_queue_without_an_attempt():
    worker = a_worker()
    worker.store.fail_next("commit", DOWN, times=10_000)
    began = worker.clock()

    worker.round()

    assert HOLD / 2 <= worker.clock() - began <= HOLD + 31
    assert len(worker.queue) == 10
    assert worker.permits.held == len(worker.leases) == 0
    assert len(batches(worker)) == len(worker.service.calls)
    worker.store.forget_faults()
    worker.run_dry()
    assert {worker.attempts(f"message-{n + 1}") for n in range(10)} == {0}
    assert worker.queue.dead_letters == []
    assert_each_counted_once(worker, *ORDERS)


def test_a_batch_goes_back_in_time_although_every_request_hangs():
    """The first excuse that fails shows that the others would hang too; they are written later."""
    hangs = 16  # s: three attempts of the SDK
    worker = a_worker()
    excuse = worker.store.excuse_attempt

    def hang(*_arguments, **_named):
        worker.tick(hangs)
        raise DOWN

    worker.store.fail_next("commit", DOWN, times=10_000)
    worker.store.excuse_attempt = hang
    began = worker.clock()

    worker.round()

    assert worker.clock() - began <= HOLD + 31 + hangs
    assert len(worker.queue) == 10
    assert worker.permits.held == len(worker.leases) == 0
    worker.store.forget_faults()
    worker.store.excuse_attempt = excuse
    worker.admission.excuse_again()
    assert {worker.store.attempts(f"message-{n + 1}").returned for n in range(10)} == {1}
    worker.run_dry()
    assert_each_counted_once(worker, *ORDERS)


def test_a_failed_batch_is_one_failure_of_the_dependency():
    worker = a_worker()
    worker.store.fail_next("commit", DOWN, times=THRESHOLD - 1)

    with capture_logs() as lines:
        worker.round()
        assert "breaker.opened" not in [line["event"] for line in lines]
        worker.send("order-a", "order-b")
        worker.store.fail_next("commit", DOWN, times=THRESHOLD)
        worker.round()

    assert "breaker.opened" in [line["event"] for line in lines]
    assert worker.breakers.open() == []
    assert worker.permits.paused == frozenset()
    assert_each_counted_once(worker, *ORDERS, "order-a", "order-b")


@pytest.mark.parametrize("when", ["first", "last"])
def test_a_message_whose_lease_is_lost_leaves_the_batch_before_the_commit(when):
    """If the lease is lost with the last event, only the commit can notice."""

    def act(order):
        if order.order_id == (ORDERS[0] if when == "first" else ORDERS[-1]):
            for lease in worker.unsettled():
                if lease.message.id == "message-4" and lease.lost is None:
                    worker.leases.lose(lease, "expired")

    worker = a_worker(act)

    worker.round()

    rest = [order for order in ORDERS if order != "order-3"]
    assert worker.service.calls == [ORDERS, rest]
    assert worker.queue.message_ids == {"message-4"}
    assert_each_counted_once(worker, *rest)
    worker.service.act = lambda _order: None
    worker.run_dry()
    assert_each_counted_once(worker, *ORDERS)


def test_a_redelivered_message_is_not_in_a_batch_and_a_suspect_is_on_record():
    worker = a_worker()
    worker.queue.receive(1, 0)  # by a worker that reports nothing
    worker.clock.advance(VISIBILITY)

    def act(order):
        starts.append((order.order_id, worker.attempts("message-1"), len(worker.service.calls[-1])))

    starts = []
    worker.service.act = act
    worker.round()

    assert ("order-0", 1, 1) in starts  # on record, and alone
    assert [call for call in batches(worker) if "order-0" in call] == []
    assert worker.attempts("message-1") == 0
    assert_each_counted_once(worker, *ORDERS)


def test_no_batch_starts_while_a_suspect_runs_or_waits():
    worker = a_worker()
    worker.receive()
    suspect, first, second = (worker.next_lease() for _ in range(3))
    assert worker.isolation.enter(first, second)
    worker.isolation.stop()

    assert not worker.isolation.enter_alone(suspect)  # two run
    worker.isolation.leave(first)
    assert not worker.isolation.enter_alone(suspect)  # one still does

    worker.isolation.leave(second)
    assert worker.isolation.enter_alone(suspect)
    assert not worker.isolation.enter(first, second)


def test_an_event_that_ends_its_thread_makes_every_message_of_the_batch_a_suspect():
    worker = a_worker(failing("order-2", Panic("index out of bounds")), orders=ORDERS[:3])
    worker.receive()
    with pytest.raises(Panic):
        worker.work()
    leases = worker.leases.hand_back()
    worker.admission.excuse_all(leases).join()
    for lease in leases:
        worker.acks.hide(lease, 0)
    worker.settle()

    assert {worker.attempts(f"message-{n}") for n in (1, 2, 3)} == {0}
    after = worker.restart()
    recorded = []

    def act(order):
        number = int(order.order_id[-1]) + 1
        recorded.append((len(after.service.calls[-1]), after.attempts(f"message-{number}")))

    after.service.act = act
    after.run_dry()
    assert recorded == [(1, 1)] * 3
    assert_each_counted_once(after, *ORDERS[:3])


def test_an_event_that_kills_its_process_takes_a_batch_with_it_once():
    def act(order):
        if order.order_id == "order-4":
            raise PowerCut

    worker, deaths = a_worker(act), []
    for _ in range(20):
        try:
            worker.run_dry()
            break
        except PowerCut:
            deaths.append(len(worker.service.calls[-1]))
            worker.clock.advance(VISIBILITY)
            worker = worker.restart()

    assert deaths == [10, 1, 1, 1]
    (letter,) = worker.queue.dead_letters
    assert letter.failure.reason == "earlier deliveries ended the worker"
    assert_each_counted_once(worker, *(order for order in ORDERS if order != "order-4"))


def test_a_batch_that_hangs_counts_for_none_and_its_messages_run_alone():
    def hang(order):
        if order.order_id == "order-2":
            worker.tick(HANDLER_TIMEOUT + 10)

    worker = a_worker(hang, orders=ORDERS[:3])

    worker.round()

    assert worker.sample("leases_lost_total", reason="handler_timeout") == 3
    assert {worker.attempts(f"message-{n}") for n in (1, 2, 3)} == {0}
    assert total(worker) == 0
    worker.service.calls.clear()
    worker.service.act = lambda _order: None
    worker.run_dry()
    assert batches(worker) == []
    assert_each_counted_once(worker, *ORDERS[:3])


def test_a_worker_that_stops_hands_back_the_batch_that_it_holds():
    def stop(_order):
        worker.breakers.stop()
        raise DOWN

    worker = a_worker(stop, orders=ORDERS[:3])

    worker.round()

    leases = worker.leases.hand_back()
    assert len(leases) == 3
    worker.admission.excuse_all(leases).join()
    assert [worker.store.attempts(f"message-{n}").returned for n in (1, 2, 3)] == [1, 1, 1]


def test_the_end_of_the_work_is_left_for_another_thread():
    worker = a_worker(orders=ORDERS[:3])
    worker.receive()
    first = worker.next_lease()
    worker.poller.work.put(None)

    worker.consume(first)

    assert worker.service.calls == [ORDERS[:3]]
    assert worker.poller.work.get_nowait() is None


def test_messages_of_a_group_are_handled_one_by_one_in_order():
    worker = Harness(Counting(), fifo=True)
    for number in range(6):
        order = an_order(order_id=f"order-{number}")
        body = an_envelope(order, event_id=f"event-{number}").encode()
        worker.queue.send(body, group=f"group-{number % 2}")

    worker.run_dry()

    assert batches(worker) == []
    handled = [call[0] for call in worker.service.calls]
    assert [order for order in handled if int(order[-1]) % 2 == 0] == [
        "order-0",
        "order-2",
        "order-4",
    ]


def test_a_batch_of_more_writes_than_a_transaction_takes_is_split():
    def act(order):
        for n in range(15):
            worker.service.tx.add(f"row#{order.order_id}#{n}", {"n": 1})

    worker = a_worker(act)

    worker.round()

    assert [len(call) for call in worker.service.calls] == [10, 5, 5]
    assert_each_counted_once(worker, *ORDERS)


def test_a_broken_handler_settles_each_message_as_if_it_had_been_alone():
    def act(_order):
        raise PermanentError("no")

    worker = a_worker(act)

    worker.round()

    assert len(worker.queue.dead_letters) == 10
    assert {letter.failure.reason for letter in worker.queue.dead_letters} == {"no"}
    assert len(worker.queue) == worker.permits.held == len(worker.leases) == 0
