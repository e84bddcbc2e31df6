"""Every event about an order names its customer, if the order does."""

import pytest
from support.builders import (
    a_cancellation,
    a_decline,
    a_line,
    a_payment,
    a_refund_request,
    a_reservation,
    a_shortage,
    an_order,
)
from support.fakes import FakeClock, FakeGateway

from workers.services.inventory import Inventory
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payer, Payment

NOW = FakeClock().now
CUSTOMER = {"customer_id": "customer-7"}
ORDER = an_order(**CUSTOMER, payment_method="pm_card_visa")
CANCELLATION = a_cancellation(**CUSTOMER)
REFUND = a_refund_request(**CUSTOMER)


@pytest.fixture
def gateway():
    gateway = FakeGateway()
    gateway.declined.add("declined")
    return gateway


@pytest.fixture
def stages(on_stage, gateway):
    stages = {
        "payment": on_stage(Payment(gateway)),
        "inventory": on_stage(Inventory()),
        "orders": on_stage(Orders(now=NOW)),
    }
    stages["inventory"].seed("stock#tea", {"available": 5, "reserved": 0, "reorderThreshold": 0})
    return stages


def told(outcomes):
    return [(outcome.type, outcome.customer_id) for outcome in outcomes]


def test_the_gateway_learns_who_pays_and_with_what(stages, gateway):
    stages["payment"].handle(ORDER)

    assert gateway.payers == {"order-1": Payer("customer-7", "pm_card_visa")}


@pytest.mark.parametrize(
    ("service", "before", "last", "outcome"),
    [
        ("payment", [], ORDER, "payment.completed"),
        ("payment", [ORDER], ORDER, "payment.completed"),
        ("payment", [ORDER], CANCELLATION, "payment.refunded"),
        ("payment", [ORDER], REFUND, "payment.refunded"),
        ("payment", [], an_order(order_id="declined", **CUSTOMER), "payment.failed"),
        ("inventory", [], ORDER, "inventory.reserved"),
        ("inventory", [ORDER], ORDER, "inventory.reserved"),
        ("inventory", [], an_order(items=(a_line(quantity=9),), **CUSTOMER), "inventory.failed"),
        ("inventory", [ORDER], CANCELLATION, "inventory.released"),
    ],
)
def test_an_outcome_names_the_customer(stages, service, before, last, outcome):
    for event in before:
        stages[service].handle(event)

    assert told(stages[service].handle(last)) == [(outcome, "customer-7")]


def command(stage, name, *arguments, **named):
    tx = stage.store.begin(f"command-{name}")
    event = getattr(OrderCommands(now=NOW), name)(*arguments, tx, **named)
    stage.store.commit(tx, ())
    return event


def place(stage):
    return command(
        stage,
        "place",
        ORDER.order_id,
        ORDER.customer_email,
        ORDER.items,
        ORDER.currency,
        correlation_id="event-1",
        **CUSTOMER,
    )


def test_a_confirmation_names_the_customer_of_the_order(stages):
    orders = stages["orders"]
    place(orders)

    orders.handle(a_payment())
    assert told(orders.handle(a_reservation())) == [("order.confirmed", "customer-7")]


@pytest.mark.parametrize("report", [a_decline(**CUSTOMER), a_shortage(**CUSTOMER)])
def test_a_report_that_arrives_before_its_order_says_who_the_customer_is(stages, report):
    assert told(stages["orders"].handle(report)) == [("order.cancelled", "customer-7")]


def test_a_command_names_the_customer_of_the_order(stages):
    orders = stages["orders"]
    events = [place(orders)]
    orders.handle(a_payment())
    orders.handle(a_reservation())
    events += [command(orders, "ship", "order-1", "track-1")]
    events += [command(orders, "refund", "order-1", "broken")]

    assert told(events) == [
        ("order.created", "customer-7"),
        ("order.shipped", "customer-7"),
        ("order.refunded", "customer-7"),
    ]


def test_a_cancellation_names_the_customer_of_the_order(stages):
    place(stages["orders"])

    event = command(stages["orders"], "cancel", "order-1", "changed my mind")

    assert told([event]) == [("order.cancelled", "customer-7")]
