"""Polling survives every error but one, and backs off."""

import contextlib
from threading import Thread

import pytest
from structlog.testing import capture_logs
from support.fakes import FakeQueue
from support.harness import Harness

from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.poller import FIRST_BACKOFF, ON_THE_WAY, Poller
from workers.runtime.settlement import LONGEST_BACKOFF

OUTAGE = Unavailable("503", dependency="sqs")
DENIED = FatalError("access denied")


@pytest.fixture
def worker():
    return Harness()


def a_poller(worker, queue, **options):
    return Poller(
        queue,
        permits=worker.permits,
        leases=worker.leases,
        acks=worker.acks,
        turns=worker.parts.turns,
        telemetry=worker.telemetry,
        wait=20,
        **{"linger": 0, **options},
    )


def run_until(worker, polls):
    """Run the loop of a poller for ``polls`` polls; return the ceilings of its pauses."""
    ceilings = []

    def uniform(_low, high):
        ceilings.append(high)
        return 0.0

    class Counted:
        name = worker.queue.name

        def receive(self, limit, wait):
            if worker.queue.calls["receive"] == polls - 1:
                poller.stop()
            return worker.queue.receive(limit, wait)

    poller = a_poller(worker, Counted(), uniform=uniform)
    with capture_logs() as lines:
        poller.run()
    return ceilings, [line["event"] for line in lines], poller


def test_received_messages_are_admitted_under_a_lease(worker):
    worker.send("order-1", "order-2")
    worker.receive()
    assert len(worker.leases) == worker.permits.held == 2
    assert worker.sample("client_consumed_messages_total") == 2
    assert worker.next_lease().message.id == "message-1"


@pytest.mark.parametrize(("linger", "pollers"), [(0, 2), (1, 1)])
def test_full_polls_with_a_pause_between_them_do_not_start_a_second_poller(linger, pollers):
    worker = Harness(concurrency=40)
    worker.send(*(f"order-{number}" for number in range(20)))
    poller = a_poller(worker, worker.queue, linger=linger)
    poller._stopping.set()  # noqa: SLF001 - no pause takes time, and the permits still work
    for _ in range(2):
        poller.poll(worker.permits.take())
    assert len(worker.leases) == 20
    free = [worker.permits._free(each) > 0 for each in range(4)]  # noqa: SLF001 - take() would block
    assert free.count(True) == pollers


def test_pauses_grow_while_polls_fail(worker):
    """Cases 24 and 25."""
    worker.queue.fail_next("receive", OUTAGE, times=10)
    ceilings, _, _ = run_until(worker, 11)
    assert ceilings[:3] == [FIRST_BACKOFF, FIRST_BACKOFF * 2, FIRST_BACKOFF * 4]
    assert ceilings[-1] == LONGEST_BACKOFF
    assert worker.sample("receive_errors_total", error_type="unavailable") == 10


def test_a_successful_poll_ends_the_pauses(worker):
    worker.queue.fail_next("receive", OUTAGE, times=3)
    ceilings, _, poller = run_until(worker, 5)
    assert len(ceilings) == 3
    assert poller.receiving


def test_pauses_start_small_again_after_a_success(worker, monkeypatch):
    receive = worker.queue.receive

    def answer(limit, wait):
        messages = receive(limit, wait)
        if worker.queue.calls["receive"] == 4:
            worker.queue.fail_next("receive", OUTAGE, times=2)
        return messages

    monkeypatch.setattr(worker.queue, "receive", answer)
    worker.queue.fail_next("receive", OUTAGE, times=3)
    ceilings, _, _ = run_until(worker, 7)
    assert ceilings == [FIRST_BACKOFF * n for n in (1, 2, 4, 1, 2)]


def test_a_failing_queue_and_its_recovery_are_each_logged_once(worker):
    worker.queue.fail_next("receive", OUTAGE, times=4)
    _, events, _ = run_until(worker, 6)
    assert events == ["receive.failing", "receive.working"]


def test_a_queue_that_never_answered_and_refuses_is_fatal(worker):
    worker.queue.fail_next("receive", DENIED)
    with pytest.raises(FatalError):
        worker.poller.run()
    assert worker.permits.held == 0
    assert worker.poller.polls == {}


def test_a_refusal_after_an_initial_outage_is_still_fatal(worker):
    worker.queue.fail_next("receive", OUTAGE)
    worker.queue.fail_next("receive", DENIED)
    with pytest.raises(FatalError):
        worker.poller.run()


def test_a_queue_that_refuses_later_is_waited_for(worker):
    worker.poller.poll(worker.permits.take())
    worker.queue.fail_next("receive", DENIED)
    assert worker.poller.poll(worker.permits.take()) is False
    assert worker.poller.receiving is False
    assert worker.poller.poll(worker.permits.take()) is True
    assert worker.poller.receiving


@pytest.mark.parametrize("error", [OUTAGE, PermanentError("bug"), RuntimeError("bug")])
def test_permits_are_returned_whatever_a_poll_raises(worker, error):
    """Case 29."""
    worker.queue.fail_next("receive", error)
    with contextlib.suppress(PermanentError, RuntimeError):
        worker.poller.poll(worker.permits.take())
    assert worker.permits.held == 0
    assert worker.poller.polls == {}


def test_a_message_already_in_the_worker_is_not_admitted_again(worker):
    worker.send("order-1")
    worker.receive()
    worker.queue.redeliver("message-1")
    worker.receive()
    assert worker.work() == 1
    assert worker.permits.held == 0
    assert worker.sample("redelivered_in_flight_total") == 1


def test_a_message_that_was_handled_before_is_deleted_at_once(worker):
    """Case 10."""
    worker.send("order-1")
    worker.receive()
    worker.work()
    worker.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    worker.settle()
    worker.queue.redeliver("message-1")
    worker.receive()
    assert worker.work() == 0
    worker.settle()
    assert worker.service.handled == ["order-1"]
    assert len(worker.queue) == worker.permits.held == 0


def test_a_stop_ends_a_pause_and_a_wait_for_permits():
    worker = Harness(concurrency=1)
    worker.permits.pause("test")
    thread = Thread(target=worker.poller.run, daemon=True)
    thread.start()
    worker.poller.stop()
    thread.join(2)
    assert not thread.is_alive()


def test_a_stop_waits_for_the_open_poll():
    """Case 18: SQS may have handed over messages."""
    queue = FakeQueue(blocking=True)
    worker = Harness(queue=queue)
    thread = Thread(target=worker.poller.run, daemon=True)
    thread.start()
    while queue.calls["receive"] < 2:  # the first poll does not wait
        thread.join(0.001)
    worker.poller.stop()
    worker.send("order-1")
    thread.join(2)
    assert not thread.is_alive()
    assert worker.next_lease().message.id == "message-1"


def test_an_open_poll_may_return_messages_until_slightly_after_its_wait(worker):
    assert worker.poller.open_for() == 0
    worker.poller.polls = {0: worker.clock() - 5, 1: worker.clock()}
    assert worker.poller.open_for() == 20 + ON_THE_WAY
    worker.clock.advance(60)
    assert worker.poller.open_for() == 0
