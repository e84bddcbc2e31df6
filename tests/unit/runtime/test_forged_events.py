"""An event that a service should not believe has no effect: it is a dead letter, with its reason.

The workers here read events as in production: ``bootstrap`` gives them the same decoder.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from support.builders import (
    a_cancellation,
    a_confirmation,
    a_decline,
    a_line,
    a_payment,
    a_refund,
    a_refund_request,
    a_release,
    a_reservation,
    a_shipment,
    a_shortage,
    an_envelope,
    an_order,
    low_stock,
)
from support.fakes import FakeClock
from support.harness import Harness, Service

from workers.envelope import ForeignSource
from workers.events import accepting
from workers.services.analytics import Analytics, merge
from workers.services.orders import OrderCommands, Orders
from workers.signing import Signing
from workers.topology import Topology

TOPOLOGY = Topology.load()
EVENTS = (
    an_order(),
    a_cancellation(),
    a_refund_request(),
    a_shipment(),
    a_confirmation(),
    a_payment(),
    a_decline(),
    a_refund(),
    a_reservation(),
    a_shortage(),
    a_release(),
    low_stock(),
)
KEYS = {"2026-11": "k" * 32}


def worker(service, name="payment", check=None, **changes):
    return Harness(service, name=name, decode=accepting(TOPOLOGY.publishers, check), **changes)


@pytest.fixture
def orders():
    """The orders service, and a pending order of 8,500.00 EUR."""
    clock = FakeClock()
    harness = worker(Orders(clock.now), "orders", clock=clock)
    tx = harness.store.begin("order-api#request-1")
    OrderCommands(harness.clock.now).place(
        "order-1",
        "ada@example.com",
        [a_line("laptop", 10, "850.00")],
        "EUR",
        tx,
        correlation_id="event-1",
    )
    harness.store.commit(tx, ())
    return harness


def paid(**changes):
    return a_payment(amount=Decimal("8500.00"), **changes)


def deliver(harness, *events, **changes):
    for event in events:
        given = {"event_id": f"{event.type}-1", "occurred_at": harness.clock.now()} | changes
        harness.queue.send(an_envelope(event, **given).encode())
    harness.round()


def reasons(harness):
    return [letter.failure.type for letter in harness.queue.dead_letters]


def the_failure(harness):
    (letter,) = harness.queue.dead_letters
    return letter.failure


def state(harness):
    return harness.store.documents["order#order-1"]["state"]


def test_a_payment_that_analytics_claims_confirms_no_order(orders):
    deliver(orders, paid(), source="analytics")
    deliver(orders, a_reservation())
    assert state(orders) == "pending"
    assert reasons(orders) == ["foreign_source"]
    assert orders.topic.published == []


def test_the_same_payment_from_payment_confirms_the_order(orders):
    deliver(orders, paid(), a_reservation())
    assert state(orders) == "confirmed"
    assert reasons(orders) == []


def test_a_forged_source_is_refused_at_once_and_not_tried_again(orders):
    deliver(orders, paid(), source="nobody-at-all")
    failure = the_failure(orders)
    assert failure.attempts == 1
    assert "payment.completed from a stranger" in failure.reason
    assert "nobody-at-all" not in failure.reason
    assert "believed from payment" in failure.reason


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
@pytest.mark.parametrize("source", TOPOLOGY.services)
def test_each_type_is_believed_from_the_services_that_publish_it(event, source):
    body = an_envelope(event, source=source).encode()
    decode = accepting(TOPOLOGY.publishers)
    if event.type in TOPOLOGY.services[source].publishes:
        assert decode(body).source == source
    else:
        with pytest.raises(ForeignSource):
            decode(body)


def test_a_source_that_joined_the_map_is_believed_by_consumers_that_have_the_new_map():
    """Consumers are deployed first: until then the event is a dead letter, to be redriven."""
    body = an_envelope(paid(), source="wallet").encode()
    with pytest.raises(ForeignSource):
        accepting(TOPOLOGY.publishers)(body)
    grown = TOPOLOGY.publishers | {"payment.completed": frozenset({"payment", "wallet"})}
    assert accepting(grown)(body).source == "wallet"


@pytest.mark.parametrize(
    "report",
    [
        a_payment(amount=Decimal("0.01")),
        paid(currency="XXX"),
        a_refund(amount=Decimal("8500.01")),
        a_decline(amount=Decimal("1.00")),
    ],
    ids=["one cent", "another currency", "a refund of more", "a decline of less"],
)
def test_a_report_about_other_money_is_an_incident_and_changes_nothing(orders, report):
    before = orders.store.documents["order#order-1"]
    deliver(orders, report)
    failure = the_failure(orders)
    assert (failure.type, failure.attempts) == ("wrong_amount", 1)
    assert "8500.00 EUR" in failure.reason
    assert orders.store.documents["order#order-1"] == before
    assert orders.topic.published == []


def test_the_same_amount_in_another_notation_is_the_orders_own(orders):
    deliver(orders, a_payment(amount=Decimal("8500.0")), a_reservation())
    assert state(orders) == "confirmed"


def test_an_old_event_is_quarantined_and_counted_once_only():
    """It was handled, its inbox row expired, and somebody sends it again."""
    clock = FakeClock()
    analytics = Analytics(now=clock.now, choose=lambda _shards: 0)
    harness = worker(analytics, "analytics", clock=clock)
    occurred = harness.clock.now()
    deliver(harness, a_payment(), occurred_at=occurred)
    harness.clock.advance(timedelta(days=400).total_seconds())
    harness.store.records.clear()  # as DynamoDB's time to live does
    deliver(harness, a_payment(), occurred_at=occurred)
    assert merge(harness.store.documents.values())["revenue.EUR"] == Decimal("24.60")
    failure = the_failure(harness)
    assert (failure.type, failure.attempts) == ("too_old", 1)
    assert "90 days" in failure.reason


def test_outcomes_of_a_worker_with_a_key_are_signed_and_believed_by_another():
    signing = Signing(KEYS, "2026-11")
    payment = Harness(Service(), sign=signing.sign)
    deliver(payment, an_order())
    (outcome,) = payment.topic.sent
    clock = FakeClock()
    orders = worker(Orders(clock.now), "orders", signing.check, clock=clock)
    orders.queue.send(outcome.body)
    orders.round()
    assert reasons(orders) == []
    assert orders.store.documents["order#order-1"]["payment"] == "completed"


@pytest.mark.parametrize(
    ("publisher", "consumer"),
    [("off", "sign"), ("sign", "off"), ("sign", "sign"), ("sign", "require"), ("require", "sign")],
)
def test_no_step_of_the_introduction_refuses_what_the_step_before_publishes(publisher, consumer):
    """Both run side by side during a deployment."""
    modes = {mode: Signing(KEYS, "2026-11", mode) for mode in ("sign", "require")}
    publishing, reading = modes.get(publisher), modes.get(consumer)
    payment = worker(Service(), sign=publishing.sign if publishing else None)
    payment.send("order-1")
    payment.round()
    clock = FakeClock()
    check = reading.check if reading else None
    orders = worker(Orders(clock.now), "orders", check, clock=clock)
    (outcome,) = payment.topic.sent
    orders.queue.send(outcome.body)
    orders.round()
    assert reasons(payment) == reasons(orders) == []
    assert orders.store.documents["order#order-1"]["payment"] == "completed"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (an_envelope().encode(), "unsigned"),
        (Signing({"other": "o" * 32}, "other").sign(an_envelope().encode()), "unknown_key"),
        (
            Signing(KEYS, "2026-11").sign(an_envelope().encode()).replace("12.30", "12.31"),
            "wrong_signature",
        ),
    ],
    ids=["unsigned", "another key", "altered"],
)
def test_an_event_without_a_right_signature_is_a_dead_letter(body, reason):
    harness = worker(Service(), check=Signing(KEYS, "2026-11").check)
    harness.queue.send(body)
    harness.round()
    failure = the_failure(harness)
    assert (failure.type, failure.attempts) == (reason, 1)
    assert harness.service.handled == []
