"""A task of the previous version keeps the unknown fields of documents that it rewrites."""

from decimal import Decimal

import pytest
from support.builders import (
    a_cancellation,
    a_payment,
    a_refund_request,
    a_reservation,
    an_order,
)
from support.fakes import FakeClock, FakeGateway, FakeStore

from workers.services.inventory import Inventory
from workers.services.lifecycle import MAX_HISTORY
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment

NEWER = {"whole": 1, "fraction": Decimal("0.5"), "text": "t", "deep": {"list": [{"x": None}]}}
ORDERS = Orders(now=FakeClock().now)
COMMANDS = OrderCommands(now=FakeClock().now)


@pytest.fixture
def store():
    return FakeStore()


def change(store, act):
    tx = store.begin(f"change-{len(store.records)}")
    act(tx)
    store.commit(tx, ())


@pytest.fixture
def order(store):
    """Return an order as a newer version writes it: with more fields at every depth."""
    order = an_order()
    change(
        store,
        lambda tx: COMMANDS.place(
            order.order_id,
            order.customer_email,
            order.items,
            order.currency,
            tx,
            correlation_id="event-1",
        ),
    )
    document = store.documents["order#order-1"]
    for inner in (*document["items"], *document["history"]):
        inner.update(NEWER)
    store.seed("order#order-1", document | NEWER)
    return store


@pytest.mark.parametrize(
    "act",
    [
        lambda tx: ORDERS.follow(a_payment(), tx),
        lambda tx: ORDERS.follow(a_reservation(), tx),
        lambda tx: COMMANDS.cancel("order-1", "no", tx),
    ],
    ids=["a payment", "a reservation", "a cancellation"],
)
def test_an_order_keeps_unknown_fields_at_every_depth(order, act):
    before = order.documents["order#order-1"]

    change(order, act)

    after = order.documents["order#order-1"]
    assert after.items() >= NEWER.items()
    assert after["items"] == before["items"]
    assert after["history"][0] == before["history"][0]
    assert len(after["history"]) > 1


def test_an_order_keeps_unknown_fields_in_a_shortened_history(order):
    document = order.documents["order#order-1"]
    entries = [document["history"][0] | {"n": n} for n in range(MAX_HISTORY)]
    order.seed("order#order-1", document | {"history": entries})

    change(order, lambda tx: ORDERS.follow(a_reservation(), tx))

    after = order.documents["order#order-1"]["history"]
    assert after[:-1] == entries[1:]


def test_a_payment_keeps_unknown_fields(store):
    payment = Payment(FakeGateway())
    change(store, lambda tx: payment.charge(an_order(), tx))
    store.seed("payment#order-1", store.documents["payment#order-1"] | NEWER)

    change(store, lambda tx: payment.refund(a_refund_request(), tx))

    after = store.documents["payment#order-1"]
    assert after["state"] == "refunded"
    assert after.items() >= NEWER.items()


def test_a_reservation_keeps_unknown_fields(store):
    store.seed("stock#tea", {"available": 9, "reserved": 0, "reorderThreshold": 1, "shelf": "A"})
    change(store, lambda tx: Inventory().reserve(an_order(), tx))
    store.seed("reservation#order-1", store.documents["reservation#order-1"] | NEWER)

    change(store, lambda tx: Inventory().release(a_cancellation(), tx))

    after = store.documents["reservation#order-1"]
    assert after["state"] == "released"
    assert after.items() >= NEWER.items()
    assert store.documents["stock#tea"]["shelf"] == "A"
