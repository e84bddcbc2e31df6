"""An order is charged once and refunded once, whatever arrives in whatever order."""

from decimal import Decimal

import pytest
from support.builders import (
    a_cancellation,
    a_decline,
    a_payment,
    a_refund,
    a_refund_request,
    an_order,
)
from support.fakes import FakeGateway

from workers.events import PaymentFailed, Simulation
from workers.runtime.errors import Conflict, TransientError, Unavailable
from workers.runtime.handler import Handlers
from workers.services.payment import Charge, Payment

PAID = a_payment(payment_id="payment-charge-order-1")
RETURNED = a_refund(payment_id="payment-charge-order-1")
REPORTED = a_payment(payment_id="payment-charge-order-1")
CHARGE = Charge("payment-charge-order-1", Decimal("24.60"), "EUR")
TAKEN = ("order-1", CHARGE)
GIVEN_BACK = ("refund-order-1", CHARGE)


@pytest.fixture
def gateway():
    return FakeGateway()


@pytest.fixture
def payment(gateway, on_stage):
    return on_stage(Payment(gateway))


def test_an_order_is_charged(payment, gateway):
    assert payment.handle(an_order()) == (PAID,)
    assert gateway.charged == [TAKEN]


def test_money_is_stored_as_text(payment):
    payment.handle(an_order())

    assert payment.document("payment#order-1") == {
        "state": "completed",
        "paymentId": "payment-charge-order-1",
        "amount": "24.60",
        "currency": "EUR",
    }


def test_a_decline_is_an_outcome_not_an_error(payment, gateway):
    gateway.declined.add("order-1")

    assert payment.handle(an_order()) == (a_decline(),)


@pytest.mark.parametrize("declined", [set(), {"order-1"}])
def test_a_second_event_of_the_same_order_gets_the_same_answer(payment, gateway, declined):
    gateway.declined |= declined

    assert payment.handle(an_order()) == payment.handle(an_order())
    assert gateway.charged == ([] if declined else [TAKEN])


@pytest.mark.parametrize("wish", [a_cancellation(), a_refund_request()])
def test_a_charge_is_refunded(payment, gateway, wish):
    payment.handle(an_order())

    assert payment.handle(wish) == (RETURNED,)
    assert gateway.refunded == [GIVEN_BACK]


def test_a_charge_is_refunded_once(payment, gateway):
    payment.handle(an_order())
    payment.handle(a_cancellation())

    assert payment.handle(a_refund_request()) == ()
    assert gateway.refunded == [GIVEN_BACK]


def test_a_declined_order_has_nothing_to_refund(payment, gateway):
    gateway.declined.add("order-1")
    payment.handle(an_order())

    assert payment.handle(a_cancellation()) == ()
    assert gateway.calls["refund"] == 0


def test_an_order_cancelled_before_it_arrives_is_never_charged(payment, gateway):
    assert payment.handle(a_cancellation()) == ()
    assert payment.handle(an_order()) == ()
    assert gateway.charged == []


def test_a_refunded_order_is_not_charged_again(payment, gateway):
    payment.handle(an_order())
    payment.handle(a_cancellation())

    assert payment.handle(an_order()) == ()
    assert gateway.charged == [TAKEN]


def test_a_charge_whose_worker_died_before_the_commit_is_refunded(payment, gateway):
    Handlers(payment.service).handle(an_order(), payment.store.begin("died"))

    assert payment.handle(a_cancellation()) == (REPORTED, RETURNED)
    assert payment.handle(an_order()) == ()
    assert gateway.charged == [TAKEN]
    assert gateway.refunded == [GIVEN_BACK]


def test_a_charge_after_the_cancellation_is_declined(payment, gateway):
    slow = payment.store.begin("slow")
    slow.get("payment#order-1")
    payment.handle(a_cancellation())

    (outcome,) = Handlers(payment.service).handle(an_order(), slow)

    assert isinstance(outcome, PaymentFailed)
    assert gateway.charged == []


def test_a_cancellation_that_overtakes_the_charge_refunds_it(payment, gateway):
    in_flight = payment.store.begin("in flight")
    Handlers(payment.service).handle(an_order(), in_flight)

    assert payment.handle(a_cancellation()) == (REPORTED, RETURNED)
    with pytest.raises(Conflict):
        payment.store.commit(in_flight, ())
    assert payment.handle(an_order()) == ()
    assert gateway.charged == [TAKEN]
    assert gateway.refunded == [GIVEN_BACK]


def test_a_commit_that_overtakes_the_cancellation_refunds_once(payment, gateway):
    charging, cancelling = payment.store.begin("charging"), payment.store.begin("cancelling")
    Handlers(payment.service).handle(an_order(), charging)
    Handlers(payment.service).handle(a_cancellation(), cancelling)
    payment.store.commit(charging, ())
    with pytest.raises(Conflict):
        payment.store.commit(cancelling, ())

    assert payment.handle(a_cancellation()) == (RETURNED,)
    assert gateway.refunded == [GIVEN_BACK]


def test_an_outage_of_the_gateway_has_no_effect(payment, gateway):
    gateway.fail_next("charge", Unavailable(dependency="payment-gateway"), lost_reply=True)

    with pytest.raises(Unavailable):
        payment.handle(an_order())
    assert payment.store.documents == {}
    assert payment.handle(an_order()) == (PAID,)
    assert gateway.charged == [TAKEN]


def test_a_simulated_decline_never_reaches_the_gateway(gateway, on_stage):
    order = an_order(simulation=Simulation(payment_outcome="declined"))
    payment = on_stage(Payment(gateway, allow_simulation=True))

    reason = "simulated: the card was declined"
    assert payment.handle(order) == (a_decline(reason=reason),)
    assert gateway.calls.total() == 0


def test_a_simulated_failure_is_transient(gateway, on_stage):
    order = an_order(simulation=Simulation(technical_failure="payment"))

    with pytest.raises(TransientError, match="payment is broken"):
        on_stage(Payment(gateway, allow_simulation=True)).handle(order)
    assert gateway.charged == []


@pytest.mark.parametrize(
    "simulation",
    [Simulation(payment_outcome="declined"), Simulation(technical_failure="payment")],
)
def test_simulations_are_ignored_where_they_are_not_allowed(payment, simulation):
    assert payment.handle(an_order(simulation=simulation)) == (PAID,)


def test_a_simulated_failure_of_another_service_is_ignored(gateway, on_stage):
    order = an_order(simulation=Simulation(technical_failure="inventory"))

    assert on_stage(Payment(gateway, allow_simulation=True)).handle(order) == (PAID,)
