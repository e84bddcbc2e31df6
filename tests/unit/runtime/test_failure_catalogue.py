"""Failures known from other SQS runtimes, each tested with a whole worker.

tests/README.md says which case is covered where.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import an_envelope, an_order
from support.harness import VISIBILITY, Harness, Service

from workers.runtime.errors import Conflict, PermanentError, TransientError, Unavailable
from workers.runtime.handler import Handlers
from workers.runtime.inbox import Inbox

OUTAGE = Unavailable("503", dependency="sqs")


def test_a_message_that_waits_for_a_slot_is_not_delivered_twice():
    """Case 1: one slot and ten messages, each taking most of the visibility timeout."""
    worker = Harness(visibility_timeout=30)
    worker.service.act = lambda _order: worker.tick(24)
    worker.send(*[f"order-{n}" for n in range(10)])
    worker.receive()
    worker.work()
    worker.settle()
    assert len(worker.service.handled) == len(set(worker.service.handled)) == 10
    assert worker.sample("redelivered_in_flight_total") == 0
    assert worker.queue.dead_letters == []
    assert len(worker.queue) == 0


def test_no_message_stays_hidden_without_an_owner():
    """Case 2: redelivered in flight and handled; nothing stays in the lease table."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    worker.queue.redeliver("message-1")
    worker.receive()
    worker.work()
    worker.settle()
    extensions = len(worker.queue.extensions)
    worker.tick(600)
    assert len(worker.leases) == 0
    assert len(worker.queue.extensions) == extensions


def test_a_renewal_that_crosses_a_delete_does_no_harm():
    """Case 3: the delete comes between reading the table and sending the request."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    worker.work()
    worker.clock.advance(VISIBILITY / 2 + 1)
    change = worker.queue.change_visibility

    def crossed(changes):
        worker.queue.change_visibility = change
        worker.acks.flush()
        return change(changes)

    worker.queue.change_visibility = crossed
    worker.leases.renew()
    assert len(worker.queue) == len(worker.leases) == 0
    assert worker.sample("leases_lost_total", reason="taken") == 0


def test_a_message_stays_hidden_until_its_delete_is_confirmed():
    """Case 4: deletes fail for ten times the visibility timeout."""
    worker = Harness()
    worker.send("order-1")
    worker.queue.fail_next("delete", OUTAGE, times=1_000)
    worker.round()
    worker.tick(VISIBILITY * 10)
    assert worker.queue.visible == 0
    worker.receive()
    assert worker.work() == 0
    assert worker.service.handled == ["order-1"]


def test_a_lease_survives_renewal_errors_shorter_than_itself():
    """Case 5."""
    worker = Harness()

    def act(_order):
        worker.queue.fail_next("change_visibility", OUTAGE, times=4)
        worker.tick(300)

    worker.service.act = act
    worker.send("order-1")
    worker.round()
    assert worker.effects() == 1
    assert worker.sample("lease_renewals_total", result="failed") == 4
    assert len(worker.queue) == 0


def test_a_message_whose_handler_outlasted_its_visibility_is_not_handled_again():
    """Case 10: renewals fail, the delete is refused, the message comes back."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    worker.work()
    worker.clock.advance(VISIBILITY + 1)
    worker.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    worker.acks.flush()
    worker.round()
    assert worker.service.handled == ["order-1"]
    assert len(worker.queue) == 0


def test_a_delete_without_effect_is_repeated_at_the_next_delivery():
    """Case 10: with a stale handle a standard queue confirms the delete and keeps the message."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    worker.work()
    worker.queue.redeliver("message-1")
    other = worker.restart(Service())
    other.receive()
    worker.settle()
    assert len(worker.queue) == 1
    other.work()
    other.settle()
    assert len(worker.queue) == 0
    assert other.service.handled == []
    assert worker.effects() == 1


def test_a_processed_message_whose_delete_failed_does_not_end_in_the_dead_letter_queue():
    """Case 12."""
    worker = Harness()
    worker.send(*[f"order-{n}" for n in range(10)])
    worker.queue.fail_entries("delete", {3: "InternalError"})
    worker.run_dry()
    assert worker.queue.dead_letters == []
    assert len(worker.service.handled) == 10


@given(
    st.lists(
        st.dictionaries(
            st.integers(0, 9),
            st.sampled_from(["RequestThrottled", "InternalError", "ReceiptHandleIsInvalid"]),
        ),
        max_size=6,
    )
)
def test_every_message_of_a_batch_is_settled_whatever_the_others_do(failures):
    """Cases 12 and 13."""
    worker = Harness()
    worker.send(*[f"order-{n}" for n in range(10)])
    for codes in failures:
        worker.queue.fail_entries("delete", codes)
    worker.run_dry()
    assert len(worker.service.handled) == 10
    assert worker.queue.dead_letters == []
    assert worker.permits.held == len(worker.leases) == worker.acks.backlog == 0


def test_a_message_redelivered_within_the_linger_is_deleted_for_good():
    """Case 14."""
    worker = Harness()
    worker.send("order-1", "order-2")
    worker.receive()
    worker.work()
    worker.queue.redeliver("message-1")
    worker.receive()
    worker.settle()
    worker.clock.advance(VISIBILITY)
    assert len(worker.queue) == 0
    assert worker.service.handled == ["order-1", "order-2"]


def test_a_message_whose_event_id_has_every_allowed_character_is_settled():
    """Case 15: batch entries are addressed by position, not by an event id."""
    worker = Harness()
    worker.queue.send(an_envelope(event_id="urn:x.1_-" + "y" * 91).encode())
    worker.round()
    assert len(worker.queue) == 0


@pytest.mark.parametrize("moment", ["queue", "hand", "buffer", "retry"])
def test_no_settlement_is_lost_wherever_the_stop_happens(moment):
    """Case 17: every success is deleted, wherever the stop finds the message."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    if moment == "queue":
        worker.acks.close()
        worker.work()
    elif moment == "hand":
        worker.service.act = lambda _order: worker.acks.close()
        worker.work()
    elif moment == "buffer":
        worker.work()
        worker.acks.close()
    else:
        worker.work()
        worker.queue.fail_next("delete", OUTAGE)
        worker.settle()
        worker.acks.close()
        worker.clock.advance(1)
    worker.acks.run()
    assert len(worker.queue) == worker.acks.backlog == 0


@pytest.mark.parametrize("call", ["receive", "delete", "change_visibility", "dead_letter"])
@pytest.mark.parametrize("lost_reply", [False, True])
def test_permits_return_whatever_call_to_the_queue_fails(call, lost_reply):
    """Case 29."""
    errors = [TransientError("broken"), PermanentError("no")]

    def act(_order):
        if errors:
            raise errors.pop()

    worker = Harness(Service(act))
    worker.queue.fail_next(call, OUTAGE, times=2, lost_reply=lost_reply)
    worker.send("order-1", "order-2")
    worker.run_dry()
    assert worker.permits.held == len(worker.leases) == 0


@pytest.mark.parametrize("call", ["recall", "get", "commit", "attempts", "record_attempt"])
@pytest.mark.parametrize("error", [RuntimeError("a bug"), OUTAGE, Conflict("others")], ids=repr)
def test_permits_return_whatever_call_to_the_store_fails(call, error):
    """Case 29."""
    worker = Harness()
    worker.store.fail_next(call, error, times=2)
    worker.send("order-1", "order-2")
    worker.run_dry()
    assert worker.permits.held == len(worker.leases) == 0
    assert worker.effects("order-1") == worker.effects("order-2") == 1


def test_a_completion_is_counted_once_even_if_its_lease_was_lost():
    """Case 30."""
    worker = Harness()

    def lose_and_fail(_order):
        worker.leases.lose(worker.unsettled()[0], "expired")
        raise TransientError("broken")

    worker.service.act = lose_and_fail
    worker.send("order-1", "order-2")
    worker.receive()
    assert worker.permits.held == 2
    worker.consumer.consume(worker.next_lease())
    assert worker.permits.held == 1


def test_a_message_is_kept_while_retries_in_process_outlast_its_visibility():
    """Case 39: the lease is renewed during the pauses between conflicts."""
    worker = Harness(visibility_timeout=30)
    store = worker.store

    def slow(seconds):
        worker.tick(seconds + 20)

    inbox = Inbox(
        "payment",
        store=store,
        handlers=Handlers(worker.service),
        clock=worker.clock,
        sleep=slow,
    )
    store.fail_next("commit", Conflict("others"), times=5)
    worker.send("order-1")
    worker.receive()
    lease = worker.next_lease()
    inbox.handle(an_envelope(an_order(), event_id="event-order-1"), lease)
    assert lease.lost is None
    assert worker.queue.visible == 0
    assert worker.effects() == 1


def test_forty_deploys_in_a_row_cost_a_message_no_attempt():
    """Case 41: SQS counts each receive after a hand-back; the attempt log does not."""
    worker = Harness()
    worker.send("order-1")
    for _ in range(40):
        worker.receive()
        lease = worker.next_lease()
        worker.acks.hide(lease, 0)
        worker.settle()
        worker = worker.restart()
    assert worker.store.attempt_logs == {}
    worker.round()
    assert worker.queue.dead_letters == []
    assert worker.effects() == 1


def test_a_worker_killed_in_its_handler_blocks_its_message_only_until_the_lease_ends():
    """Case 47: there is no "in progress" record that could get stuck."""
    worker = Harness()

    def die(_order):
        raise SystemExit

    worker.service.act = die
    worker.send("order-1")
    worker.receive()
    with pytest.raises(SystemExit):
        worker.work()
    worker.clock.advance(VISIBILITY)
    successor = worker.restart(Service())
    successor.round()
    assert successor.effects() == 1


def test_a_zombie_commits_nothing_over_its_successor():
    """Case 48: a worker is paused past its lease while another handles the message."""
    zombie = Harness()

    def pause(_order):
        zombie.clock.advance(VISIBILITY + 1)
        successor = zombie.restart(Service())
        successor.round()
        assert successor.effects() == 1

    zombie.service.act = pause
    zombie.send("order-1")
    zombie.round()
    assert zombie.effects() == 1
    assert len({outcome.event_id for outcome in zombie.topic.published}) == 1
    assert len(zombie.queue) == 0


def test_a_zombie_that_knows_its_lease_is_lost_touches_nothing():
    """Case 48."""
    zombie = Harness()

    def pause(_order):
        zombie.clock.advance(VISIBILITY + 1)
        zombie.leases.renew()

    zombie.service.act = pause
    zombie.send("order-1")
    zombie.round()
    assert zombie.store.records == {}
    assert zombie.queue.calls["delete"] == 0
    assert zombie.queue.visible == 1


def test_two_workers_with_one_message_have_one_effect():
    """Both read before either commits."""
    worker = Harness()
    worker.send("order-1")
    other = worker.restart(Service())

    def overtake(_order):
        worker.queue.redeliver("message-1")
        other.round()

    worker.service.act = overtake
    worker.round()
    assert worker.effects() == 1
    assert len({outcome.event_id for outcome in worker.topic.published}) == 1


def test_outcomes_have_the_same_ids_however_often_they_are_published():
    """Case 50."""
    worker = Harness()
    worker.topic.fail_next("publish", OUTAGE, times=3, lost_reply=True)
    worker.send("order-1")
    worker.run_dry()
    assert len(worker.topic.published) == 4
    assert len({outcome.event_id for outcome in worker.topic.published}) == 1


def test_a_message_lost_while_it_waited_is_dropped():
    """It was not renewed in time, so its handler is not called."""
    worker = Harness()
    worker.send("order-1")
    worker.receive()
    worker.queue.fail_next("change_visibility", OUTAGE, times=99)
    worker.tick(VISIBILITY + 5)
    worker.work()
    assert worker.service.handled == []
    assert worker.permits.held == len(worker.leases) == worker.acks.backlog == 0


def test_the_work_per_message_does_not_grow_with_their_number():
    """It compares requests to SQS and the store for 100 and for 1,000 messages."""

    def calls(count):
        worker = Harness()
        worker.send(*[f"order-{n}" for n in range(count)])
        worker.run_dry(rounds=count)
        return (worker.queue.calls.total() + worker.store.calls.total()) / count

    assert calls(1_000) == pytest.approx(calls(100), rel=0.05)
