"""Messages of one group of a FIFO queue are handled in order, whatever happens to one of them."""

import pytest
from support.builders import an_envelope, an_order
from support.harness import VISIBILITY, Harness, Service

from workers.runtime.errors import PermanentError, TransientError, Unavailable
from workers.runtime.worker import Deadline


def send(worker, *orders):
    """Send one message per order id, all of them in the group before the hyphen."""
    for order_id in orders:
        body = an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}").encode()
        worker.queue.send(body, group=order_id.partition("-")[0])


def failing(order_id, error, times=1):
    """Return a service that fails an order so often, and notes every start."""
    left = [times]

    def act(order):
        if order.order_id == order_id and left[0] > 0:
            left[0] -= 1
            raise error

    return Service(act)


@pytest.fixture
def worker():
    return Harness(fifo=True)


def finish(worker, rounds=40):
    for _ in range(rounds):
        worker.round()
        worker.tick(5)
        if len(worker.queue) == 0:
            return
    raise AssertionError(f"{len(worker.queue)} messages are left")


def test_one_message_of_a_group_may_start_at_a_time(worker):
    send(worker, "a-1", "a-2", "b-1")
    worker.receive()

    assert worker.poller.work.qsize() == 2


def test_the_next_of_a_group_starts_once_the_one_before_it_was_handled(worker):
    send(worker, "a-1", "a-2", "b-1", "a-3")
    worker.receive()
    first = worker.next_lease()
    worker.consumer.consume(first)

    assert worker.poller.work.qsize() == 2
    worker.work()
    assert worker.service.handled == ["a-1", "b-1", "a-2", "a-3"]


def test_messages_that_wait_hold_no_permit_and_their_successor_inherits_one(worker):
    send(worker, "a-1", "a-2", "a-3")
    worker.receive()
    assert worker.permits.held == 1

    worker.consumer.consume(worker.next_lease())
    assert worker.permits.held == 1
    worker.work()
    assert worker.permits.held == 0


def test_messages_that_wait_are_renewed(worker):
    """Case 38."""
    send(worker, "a-1", "a-2")
    worker.receive()
    worker.tick(3 * VISIBILITY)

    assert [lease.lost for lease in worker.unsettled()] == [None, None]
    assert worker.queue.visible == 0


@pytest.mark.parametrize("error", [ValueError("a bug"), TransientError("later", retry_after=30)])
def test_after_a_failure_the_rest_of_the_group_does_not_overtake(error):
    """Case 36."""
    worker = Harness(failing("a-1", error), fifo=True)
    send(worker, "a-1", "a-2", "a-3")
    worker.round()
    assert worker.service.handled == ["a-1"]
    assert not worker.unsettled()

    finish(worker)
    assert worker.service.handled == ["a-1", "a-1", "a-2", "a-3"]


def test_a_message_that_waited_and_came_back_is_no_suspect():
    """Case 37: it is not attempted, and would otherwise run alone."""
    worker = Harness(failing("a-1", ValueError("a bug"), times=2), fifo=True)
    send(worker, "a-1", "a-2")
    finish(worker)

    assert worker.service.handled == ["a-1", "a-1", "a-1", "a-2"]
    assert (
        worker.store.calls["record_attempt"] == 2
    )  # those of the first, and no start of a suspect


def test_a_dead_letter_lets_its_group_go_on():
    worker = Harness(failing("a-1", PermanentError("no")), fifo=True)
    send(worker, "a-1", "a-2", "a-3")
    finish(worker)

    assert [dead.message.id for dead in worker.queue.dead_letters] == ["message-1"]
    assert worker.service.handled == ["a-1", "a-2", "a-3"]


def test_the_rest_of_a_group_starts_only_after_the_dead_letter_is_deleted():
    worker = Harness(failing("a-1", PermanentError("no")), fifo=True)
    send(worker, "a-1", "a-2")
    worker.receive()
    worker.work()

    worker.queue.fail_next("delete", Unavailable("no answer", dependency="sqs"))
    worker.settle()
    worker.receive()
    assert worker.poller.work.qsize() == 0

    finish(worker)
    assert worker.service.handled == ["a-1", "a-2"]


def test_an_outage_holds_the_group_in_place():
    worker = Harness(
        failing("a-1", Unavailable("no answer", dependency="payment-gateway"), times=3), fifo=True
    )
    send(worker, "a-1", "a-2")
    worker.round()

    assert worker.service.handled == ["a-1"] * 4 + ["a-2"]
    assert not worker.queue.dead_letters


def test_a_long_outage_hands_the_whole_group_back():
    worker = Harness(
        failing("a-1", Unavailable("no answer", dependency="payment-gateway"), times=10**6),
        fifo=True,
    )
    send(worker, "a-1", "a-2")
    worker.round()

    assert set(worker.service.handled) == {"a-1"}
    assert not worker.unsettled()
    assert len(worker.queue) == 2


def test_messages_behind_a_lost_one_are_handed_back(worker):
    send(worker, "a-1", "a-2", "b-1")
    worker.receive()
    first, *_ = worker.unsettled()
    worker.leases.lose(first, "taken")
    worker.parts.turns.relax()
    worker.settle()

    assert [lease.message.id for lease in worker.unsettled()] == ["message-3"]
    worker.work()
    assert worker.service.handled == ["b-1"]


def test_a_message_whose_turn_comes_after_its_lease_was_lost_takes_the_rest_along(worker):
    send(worker, "a-1", "a-2", "a-3")
    worker.receive()
    second = worker.unsettled()[1]
    first = worker.next_lease()
    worker.leases.lose(second, "taken")
    worker.consumer.consume(first)
    worker.work()
    worker.settle()

    assert worker.service.handled == ["a-1"]
    assert not worker.unsettled()


def test_a_frozen_process_does_not_mix_the_two_deliveries_of_a_group(worker):
    send(worker, "a-1", "a-2", "a-3")
    worker.receive()
    worker.clock.advance(VISIBILITY + 1)  # nothing ran, so all leases have expired
    worker.leases.renew()
    worker.receive()
    finish(worker)

    assert worker.service.handled == ["a-1", "a-2", "a-3"]
    assert [worker.effects(f"a-{n}") for n in (1, 2, 3)] == [1, 1, 1]


def test_a_drain_hands_back_what_waits_the_last_first(worker):
    send(worker, "a-1", "a-2", "a-3")
    worker.receive()
    order = []
    change = worker.queue.change_visibility
    handles = {lease.handle: lease.message.id for lease in worker.unsettled()}

    def changed(changes):
        order.extend(handles[handle] for handle, _ in changes)
        return change(changes)

    worker.queue.change_visibility = changed
    loop = worker.parts.loop()
    deadline = Deadline(30, now=worker.clock)
    deadline.start()
    loop._hand_back(deadline)  # noqa: SLF001 - the last step of a drain
    worker.settle()

    assert order == ["message-3", "message-2", "message-1"]
    other = worker.restart()
    other.round()
    assert other.service.handled == ["a-1", "a-2", "a-3"]


def test_a_crash_in_the_middle_of_a_group_repeats_it_in_order(worker):
    send(worker, "a-1", "a-2", "a-3")
    worker.receive()
    worker.consumer.consume(worker.next_lease())  # and the process is killed before the delete
    worker.clock.advance(VISIBILITY + 1)
    other = worker.restart(Service())
    finish(other)

    assert other.service.handled == ["a-2", "a-3"]
    assert [worker.effects(f"a-{n}") for n in (1, 2, 3)] == [1, 1, 1]


def test_an_expired_handle_is_refused_and_the_repeat_is_deleted(worker):
    """Case 11: the message comes back, and its effect is not repeated."""
    send(worker, "a-1", "a-2")
    worker.receive()
    worker.work()
    worker.clock.advance(VISIBILITY + 1)
    worker.acks.flush()
    assert len(worker.queue) == 2

    finish(worker)
    assert worker.effects("a-1") == worker.effects("a-2") == 1


def test_the_lanes_of_a_table_are_forgotten_when_they_are_empty(worker):
    send(worker, "a-1", "a-2", "b-1")
    finish(worker)

    assert len(worker.parts.turns._groups) == 0  # noqa: SLF001 - only a test counts them
