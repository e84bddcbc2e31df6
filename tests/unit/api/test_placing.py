"""POST /orders accepts an order and publishes it."""

import pytest
from support.order_api import Api

from workers.events import OrderCreated, Simulation, decode
from workers.signing import Signing

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_an_accepted_order_has_its_ids_and_a_location(api, order):
    answer = api.post("/orders", order)

    body = answer.json()
    assert answer.status_code == 202
    assert body.keys() == {"orderId", "eventId", "status", "correlationId"}
    assert body["status"] == "pending"
    assert body["correlationId"] == body["eventId"]
    assert answer.headers["Location"] == f"/orders/{body['orderId']}"
    assert "Idempotent-Replayed" not in answer.headers


def test_order_record_and_outbox_row_are_one_commit(api, order):
    api.topic.fail_next("publish", RuntimeError("no network"))

    placed = api.post("/orders", order, headers={"Idempotency-Key": "k1"}).json()

    assert api.store.calls["commit"] == 1
    assert api.store.documents.keys() == {f"order#{placed['orderId']}"}
    assert api.store.records.keys() == {"order-api#k1"}
    assert api.store.waiting.keys() == {placed["eventId"]}


def test_the_event_has_the_ids_and_data_of_the_order(api, order):
    placed = api.post("/orders", order).json()

    [envelope] = api.topic.published
    event = envelope.data
    assert (envelope.event_id, envelope.source) == (placed["eventId"], "order-api")
    assert isinstance(event, OrderCreated)
    assert event.order_id == placed["orderId"]
    assert event.customer_email == "ada@example.com"
    assert event.simulation is None
    assert decode(envelope.encode()) == envelope


def test_the_customer_is_in_the_event_and_the_document_the_card_in_the_event_only(api):
    placed = api.place(customerId="customer-7", paymentMethod="pm_card_visa")

    event = api.topic.published[0].data
    assert (event.customer_id, event.payment_method) == ("customer-7", "pm_card_visa")
    document = api.store.documents[f"order#{placed['orderId']}"]
    assert document["customerId"] == "customer-7"
    assert "pm_card_visa" not in str(document)


def test_a_customer_id_and_a_payment_method_are_optional(api):
    api.place()

    event = api.topic.published[0].data
    assert (event.customer_id, event.payment_method) == (None, None)


@pytest.mark.parametrize(
    "typed", ["ada@b\u00fccher.de", "ada@xn--bcher-kva.de", " ada@B\u00dcCHER.de"]
)
def test_an_international_domain_is_passed_on_in_punycode(api, typed):
    placed = api.place(customerEmail=typed)

    assert api.topic.published[0].data.customer_email == "ada@xn--bcher-kva.de"
    order = api.store.documents[f"order#{placed['orderId']}"]
    assert order["customerEmail"] == "ada@xn--bcher-kva.de"


@pytest.mark.parametrize(
    ("prices", "total"),
    [
        (["19.99", "0.01"], "40.00"),
        ([850, 19.99], "1739.98"),
        ([0.1, 0.2], "0.60"),
        ([1e2, -0.0], "200.00"),
        ([850.10, "850.1"], "3400.40"),
    ],
)
def test_the_server_computes_the_total_exactly(api, order, prices, total):
    lines = [{"sku": f"s{i}", "quantity": 2, "price": price} for i, price in enumerate(prices)]

    placed = api.post("/orders", order | {"items": lines}).json()

    assert api.get(f"/orders/{placed['orderId']}").json()["totalAmount"] == total


def test_the_event_is_published_at_once_and_leaves_the_relay_nothing(api, order):
    placed = api.post("/orders", order).json()

    assert [envelope.event_id for envelope in api.topic.published] == [placed["eventId"]]
    assert api.outbox.published == [placed["eventId"]]
    assert not api.store.waiting


def test_a_valid_trace_is_passed_on_with_the_event(api, order):
    api.post("/orders", order, headers={"traceparent": TRACE})

    assert api.topic.published[0].traceparent == TRACE


@pytest.mark.parametrize(
    "trace",
    [
        "",
        "garbage",
        TRACE.upper(),
        TRACE + "-more",
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
    ],
)
def test_an_invalid_trace_is_ignored(api, order, trace):
    answer = api.post("/orders", order, headers={"traceparent": trace})

    assert answer.status_code == 202
    assert api.topic.published[0].traceparent is None


def test_a_demo_order_carries_its_simulations(demonstration, order):
    wishes = {
        "paymentOutcome": "declined",
        "inventoryOutcome": "out_of_stock",
        "simulateTechnicalFailure": "payment",
    }

    answer = demonstration.post("/orders", order | wishes)

    assert answer.status_code == 202
    assert demonstration.topic.published[0].data.simulation == Simulation(
        payment_outcome="declined",
        inventory_outcome="out_of_stock",
        technical_failure="payment",
    )


def test_an_order_simulates_nothing_by_default(demonstration, order):
    demonstration.post("/orders", order)

    assert demonstration.topic.published[0].data.simulation is None


def test_with_a_key_the_event_is_signed_on_the_topic_and_in_its_rows():
    signing = Signing({"key": "k" * 32}, "key")
    api = Api(sign=signing.sign)
    api.place("k1")
    (published,) = api.topic.sent
    signing.verify(published.body)
    assert api.store.records["order-api#k1"].outcomes == (published,)

    api.topic.fail_next("publish", RuntimeError("no network"))
    api.place("k2")
    (waiting,) = api.store.waiting.values()
    signing.verify(waiting.event.body)


def test_a_repeated_request_is_answered_from_the_signed_record():
    api = Api(sign=Signing({"key": "k" * 32}, "key").sign)
    assert api.place("k1") == api.place("k1")
