"""One message, from its start to its settlement."""

import pytest
from structlog.testing import capture_logs
from support.builders import a_message, a_payment, a_shipment, an_envelope, an_order
from support.harness import Harness, Service

from workers.envelope import Encoded
from workers.events import OrderCreated, PaymentCompleted, PaymentFailed
from workers.runtime.breaker import THRESHOLD
from workers.runtime.errors import (
    Conflict,
    FatalError,
    LeaseLost,
    PermanentError,
    TransientError,
    Unavailable,
)
from workers.runtime.handler import handles
from workers.runtime.lease import Lease
from workers.runtime.ports import Record, Transaction
from workers.runtime.settlement import Delete, Retry

SNS_DOWN = Unavailable("sns does not answer", dependency="sns")


def raising(error):
    def act(_order):
        raise error

    return act


def failing(error, *, times):
    errors = [error] * times

    def act(_order):
        if errors:
            raise errors.pop()

    return act


@pytest.fixture
def worker():
    return Harness()


def test_a_message_is_handled_published_and_deleted(worker):
    worker.send("order-1")
    worker.round()
    assert worker.effects() == 1
    assert [outcome.data for outcome in worker.topic.published] == [a_payment()]
    assert len(worker.queue) == 0
    assert worker.queue.dead_letters == []


def test_nothing_is_deleted_before_its_outcomes_are_published(worker):
    worker.send("order-1")
    worker.topic.fail_next("publish", SNS_DOWN, times=99)
    worker.round()
    assert worker.effects() == 1
    assert worker.queue.calls["delete"] == 0
    worker.run_dry()
    assert len(worker.topic.published) == 1


def test_a_redelivery_publishes_the_same_outcomes_again(worker):
    """The reply got lost: SNS may or may not have them."""
    worker.send("order-1")
    worker.topic.fail_next("publish", SNS_DOWN, lost_reply=True)
    worker.run_dry()
    first, again = worker.topic.published
    assert first.event_id == again.event_id
    assert worker.service.handled == ["order-1"]


def test_outcomes_that_a_newer_version_committed_are_published_byte_for_byte(worker):
    body = '{"eventId": "e-1", "eventType": "payment.split", "eventVersion": "2.0", "tenant": 7 }'
    newer = Encoded.read(body)
    worker.store.records["order-api#event-order-1"] = Record((newer,))
    worker.send("order-1")
    worker.round()
    assert worker.topic.sent == [newer]
    assert len(worker.queue) == 0


def test_an_outcome_that_sns_did_not_accept_is_published_again(worker):
    worker.send("order-1")
    worker.topic.fail_entries({0: SNS_DOWN})
    worker.run_dry()
    assert len(worker.topic.published) == 1
    assert worker.queue.dead_letters == []


def test_a_message_whose_outcome_sns_refuses_permanently_is_dead_lettered(worker):
    worker.send("order-1")
    worker.topic.fail_entries({0: PermanentError("too large")})
    worker.round()
    (letter,) = worker.queue.dead_letters
    failure = letter.failure
    assert (failure.reason, failure.type, failure.attempts) == ("too large", "permanent", 1)


def test_outcomes_refused_for_now_are_retried_even_if_another_is_refused_permanently():
    class Pair:
        @handles
        def charge(
            self, order: OrderCreated, _tx: Transaction
        ) -> tuple[PaymentFailed, PaymentCompleted]:
            failed = PaymentFailed(
                order_id=order.order_id,
                customer_email=order.customer_email,
                amount=order.total_amount,
                currency="EUR",
                reason="no",
            )
            return failed, a_payment(order_id=order.order_id)

    worker = Harness(Pair())
    worker.send("order-1")
    worker.topic.fail_entries({0: PermanentError("too large"), 1: SNS_DOWN})
    worker.topic.fail_entries({0: PermanentError("too large")})
    worker.run_dry()
    assert [outcome.event_type for outcome in worker.topic.published] == ["payment.completed"]
    assert len(worker.queue.dead_letters) == 1


def test_an_event_without_a_handler_is_deleted_and_counted_with_one_warning(worker):
    for number in range(3):
        worker.queue.send(an_envelope(a_shipment(), event_id=f"event-{number}").encode())
    with capture_logs() as lines:
        worker.round()
    assert len(worker.queue) == 0
    assert worker.queue.dead_letters == []
    assert [line["eventType"] for line in lines if line["event"] == "event.not_handled"] == [
        "order.shipped"
    ]
    labels = {"event_type": "order.shipped", "settlement": "delete", "outcome": "ignored"}
    assert worker.sample("settlements_total", **labels) == 3


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "{}",
        '{"eventType": 7}',
        '{"Type": "Notification", "Message": "not JSON"}',
        "x" * 1_000_000,
        "[" * 100_000,
        an_envelope().encode().replace('"eventId":"event-1"', '"eventId":null'),
    ],
    ids=range(10),
)
def test_an_unreadable_message_goes_to_the_dead_letter_queue_at_once(worker, body):
    """Cases 33 and 34: the other messages are handled, and this one is not lost."""
    worker.queue.send(body)
    worker.send("order-1")
    worker.round()
    (letter,) = worker.queue.dead_letters
    assert letter.message.body == body
    assert letter.failure.type == "malformed"
    assert letter.failure.reason
    assert worker.effects() == 1
    assert len(worker.queue) == 0


def test_a_permanent_error_is_not_retried():
    """Case 40."""
    worker = Harness(Service(raising(PermanentError("no such order"))))
    worker.send("order-1")
    worker.round()
    assert worker.service.handled == ["order-1"]
    failure = worker.queue.dead_letters[0].failure
    assert (failure.reason, failure.type, failure.attempts) == ("no such order", "permanent", 1)
    assert worker.store.attempt_logs == {}


def test_a_technical_failure_is_dead_lettered_after_three_attempts():
    worker = Harness(Service(raising(TransientError("broken"))))
    worker.send("order-1")
    worker.run_dry()
    assert worker.service.handled == ["order-1"] * 3
    (letter,) = worker.queue.dead_letters
    failure = letter.failure
    assert (failure.reason, failure.type, failure.attempts) == ("broken", "transient", 3)
    assert failure.trail.count("on worker-1: transient: broken") == 3
    assert worker.topic.published == []
    assert worker.effects() == 0


def test_a_redriven_message_that_is_still_broken_gets_a_full_set_of_attempts():
    worker = Harness(Service(raising(ValueError("a bug"))))
    worker.send("order-1")
    worker.run_dry()
    worker.queue.redrive()
    worker.run_dry()
    assert len(worker.service.handled) == 6
    assert worker.queue.dead_letters[0].failure.attempts == 3


def test_a_redriven_message_that_was_fixed_is_handled_once():
    worker = Harness(Service(failing(ValueError("a bug"), times=3)))
    worker.send("order-1")
    worker.run_dry()
    worker.queue.redrive()
    worker.run_dry()
    assert worker.effects() == 1
    assert worker.queue.dead_letters == []


def test_a_redriven_message_that_had_been_handled_is_deleted(worker):
    worker.send("order-1")
    worker.round()
    worker.send("order-1")
    worker.run_dry()
    assert worker.effects() == 1
    labels = {"event_type": "order.created", "settlement": "delete", "outcome": "repeated"}
    assert worker.sample("settlements_total", **labels) == 1


def test_a_failed_attempt_comes_back_after_its_delay():
    worker = Harness(Service(failing(TransientError("later", retry_after=17), times=1)))
    worker.send("order-1")
    worker.round()
    assert worker.queue.extensions == [("message-1", 17)]
    worker.run_dry()
    assert worker.effects() == 1


def test_an_attempt_that_cannot_be_counted_does_not_count_against_the_message():
    worker = Harness(Service(failing(ValueError("a bug"), times=4)))
    worker.store.fail_next("record_attempt", Unavailable("x", dependency="dynamodb"), times=2)
    worker.send("order-1")
    worker.run_dry()
    assert worker.effects() == 1
    assert worker.queue.dead_letters == []


def test_an_endless_conflict_costs_no_attempt():
    worker = Harness()
    worker.store.fail_next("commit", Conflict("others"), times=30)
    worker.send("order-1")
    worker.run_dry()
    assert worker.attempts() == 0
    assert worker.effects() == 1


@pytest.mark.parametrize(
    "error", [Unavailable("503", dependency="sqs"), FatalError("denied"), PermanentError("size")]
)
def test_a_message_stays_if_the_dead_letter_queue_refuses_it(error):
    """Case 34: it is always in one of the two queues."""
    worker = Harness(Service(raising(PermanentError("no"))))
    worker.queue.fail_next("dead_letter", error)
    worker.send("order-1")
    worker.round()
    assert len(worker.queue) == 1
    labels = {"event_type": "order.created", "settlement": "retry", "outcome": "retried"}
    assert worker.sample("settlements_total", **labels) == 1
    worker.run_dry()
    assert len(worker.queue.dead_letters) == 1


def test_two_copies_of_a_dead_letter_can_be_recognized_as_one():
    """Case 35: both copies carry the id of the same message."""
    worker = Harness(Service(raising(PermanentError("no"))))
    worker.queue.fail_next("dead_letter", Unavailable("reset", dependency="sqs"), lost_reply=True)
    worker.send("order-1")
    worker.run_dry()
    assert [letter.message.id for letter in worker.queue.dead_letters] == ["message-1"] * 2


def test_a_delete_that_fails_after_the_dead_letter_makes_no_second_copy():
    """Case 35: the handle had expired; the next delivery is deleted without being handled."""
    worker = Harness(Service(raising(PermanentError("no"))))
    worker.send("order-1")
    worker.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    worker.run_dry()
    assert len(worker.queue.dead_letters) == 1
    assert worker.service.handled == ["order-1"]


def test_a_lost_message_is_not_settled():
    worker = Harness()

    def lose(_order):
        worker.queue.fail_next("change_visibility", SNS_DOWN, times=99)
        worker.tick(70)

    worker.service.act = lose
    worker.send("order-1")
    worker.receive()
    worker.work()
    worker.settle()
    assert worker.effects() == 0
    assert worker.queue.calls["delete"] == 0
    assert len(worker.leases) == 0
    assert worker.permits.held == 0
    labels = {"event_type": "order.created", "settlement": "none", "outcome": "redelivered"}
    assert worker.sample("settlements_total", **labels) == 1


def test_a_lost_message_that_failed_for_good_is_not_dead_lettered():
    worker = Harness()

    def lose(_order):
        worker.leases.lose(worker.unsettled()[0], "expired")
        raise PermanentError("no")

    worker.service.act = lose
    worker.send("order-1")
    worker.round()
    assert worker.queue.dead_letters == []
    assert len(worker.queue) == 1


def test_settle_returns_the_settlement_or_none_for_a_lost_lease(worker):
    lease = worker.leases.grant(a_message(id="message-1"))
    assert worker.consumer.settle(lease, Retry(3)) == Retry(3)
    lost = worker.leases.grant(a_message(id="message-2"))
    worker.leases.lose(lost, "taken")
    assert worker.consumer.settle(lost, Delete()) is None


def test_a_handler_that_returns_an_undeclared_outcome_fails_like_any_other_bug():
    class Liar:
        @handles
        def charge(self, _order: OrderCreated, _tx: Transaction) -> PaymentFailed:
            return a_payment()

    worker = Harness(Liar())
    worker.send("order-1")
    worker.run_dry()
    assert worker.queue.dead_letters[0].failure.type == "TypeError"


# Outages.


def test_a_message_that_waits_for_a_dependency_is_held_and_tried_again():
    worker = Harness(Service(failing(SNS_DOWN, times=THRESHOLD + 10)))
    worker.send(*[f"order-{n}" for n in range(THRESHOLD)])
    worker.receive()
    worker.work()
    assert worker.effects(f"order-{THRESHOLD - 1}") == 1
    assert worker.queue.calls["receive"] == 1


def test_waiting_for_a_dependency_does_not_affect_the_measured_duration():
    worker = Harness()
    errors = [SNS_DOWN]

    def act(_order):
        worker.clock.advance(30)
        if errors:
            raise errors.pop()

    for _ in range(THRESHOLD - 1):
        worker.breakers.failed("sns", "no answer")
    worker.service.act = act
    worker.send("order-1")
    worker.receive()
    worker.work()
    assert worker.effects() == 1
    assert worker.permits.mean_duration is None


def a_probe_that_ends_with(error):
    """Open the breaker with one message whose next try ends with ``error``."""
    worker = Harness()
    errors = [error, SNS_DOWN]

    def act(_order):
        if errors:
            raise errors.pop()

    worker.service.act = act
    for _ in range(THRESHOLD - 1):
        worker.breakers.failed("sns", "no answer")
    worker.send("order-1")
    worker.receive()
    worker.work()
    return worker


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("no"),
        ValueError("a bug"),
        TransientError("later"),
        Conflict("others"),
        LeaseLost("expired"),
        Unavailable("ses does not answer", dependency="ses"),
        FatalError("denied"),
    ],
    ids=repr,
)
def test_polling_resumes_however_a_probe_ends(error):
    worker = a_probe_that_ends_with(error)
    assert not worker.permits.paused
    assert worker.permits.held == 0
    worker.run_dry()


def test_a_probe_that_failed_for_another_reason_does_not_close_the_breaker():
    worker = a_probe_that_ends_with(ValueError("a bug"))
    worker.breakers.failed("sns", "no answer")
    assert worker.permits.paused


def test_a_message_in_its_own_pause_does_not_end_the_probe_of_another():
    worker = Harness()
    errors = [SNS_DOWN, ValueError("a bug")]

    def act(_order):
        error = errors.pop(0)
        if not errors:  # the breaker has opened by now, and another message probes
            for _ in range(THRESHOLD):
                worker.breakers.failed("sns", "no answer")
            worker.breakers.wait("sns", lambda: False)
        raise error

    worker.service.act = act
    worker.send("order-1")
    worker.receive()
    worker.work()
    assert worker.breakers.open() == ["sns"]
    assert worker.permits.paused


def test_an_attempt_that_dynamodb_refuses_to_count_does_not_end_the_thread():
    worker = Harness(Service(failing(ValueError("a bug"), times=1)))
    worker.store.fail_next("record_attempt", PermanentError("too large"))
    worker.send("order-1")
    worker.run_dry()
    assert worker.effects() == 1


def test_polling_resumes_when_the_probing_message_is_lost():
    worker = Harness()

    def act(_order):
        for lease in worker.unsettled():
            worker.leases.lose(lease, "expired")
        raise SNS_DOWN

    worker.service.act = act
    for _ in range(THRESHOLD - 1):
        worker.breakers.failed("sns", "no answer")
    worker.send("order-1")
    worker.round()
    assert not worker.permits.paused
    assert len(worker.leases) == worker.permits.held == 0


def test_a_stop_leaves_messages_that_wait_for_a_dependency_to_the_drain():
    worker = Harness(Service(raising(SNS_DOWN)))
    worker.breakers.stop()
    worker.send(*[f"order-{n}" for n in range(THRESHOLD + 1)])
    worker.round()
    assert len(worker.unsettled()) == THRESHOLD + 1
    assert worker.acks.backlog == 0
    assert not worker.permits.paused
    labels = {"event_type": "order.created", "settlement": "hand_back", "outcome": "handed_back"}
    assert worker.sample("settlements_total", **labels) == THRESHOLD + 1


def test_a_base_exception_ends_the_thread_and_settles_nothing():
    """Case 26: the worker notices the dead thread; see test_receive_loop.py."""
    worker = Harness(Service(raising(SystemExit(3))))
    worker.send("order-1")
    worker.receive()
    with pytest.raises(SystemExit):
        worker.work()
    assert worker.acks.backlog == 0
    assert [lease.message.id for lease in worker.unsettled()] == ["message-1"]


def test_the_wait_for_a_slot_is_measured_until_the_start(worker):
    worker.send("order-1")
    worker.receive()
    worker.clock.advance(3)
    worker.work()
    assert worker.sample("slot_wait_seconds_sum") == 3


def test_a_lease_shows_when_its_handler_started():
    worker = Harness()
    seen = []
    worker.service.act = lambda _order: seen.append(worker.unsettled()[0].started_at)
    worker.send("order-1")
    worker.round()
    assert seen == [worker.clock() - 0.1]
    assert isinstance(worker.leases.grant(a_message(an_envelope(an_order()))), Lease)
