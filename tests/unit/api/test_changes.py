"""Cancelling, refunding, shipping and reading an order."""

import pytest

from workers.services import lifecycle

PAST = {
    ("pending", "cancel"): "cancelled",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "refund"): "cancelled",
    ("shipped", "refund"): "refunded",
    ("confirmed", "ship"): "shipped",
}
ACTIONS = ["cancel", "refund", "ship"]
STATES = ["pending", "confirmed", "shipped", "cancelled", "refunded"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_the_state_decides_whether_a_change_is_accepted(api, action, state):
    placed = api.place()
    api.move(placed["orderId"], state)

    answer = api.post(f"/orders/{placed['orderId']}/{action}")

    if after := PAST.get((state, action)):
        assert answer.status_code == 202
        assert answer.json()["status"] == after
        assert api.get(f"/orders/{placed['orderId']}").json()["state"] == after
    else:
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:problem-type:not-allowed"
        assert state in answer.json()["detail"]
        assert action in answer.json()["detail"]


@pytest.mark.parametrize(("state", "action"), PAST)
def test_a_change_keeps_the_correlation_id_of_its_order(api, state, action):
    placed = api.place()
    api.move(placed["orderId"], state)

    changed = api.post(f"/orders/{placed['orderId']}/{action}").json()

    envelope = api.topic.published[-1]
    assert envelope.event_type == f"order.{PAST[state, action]}"
    assert changed["orderId"] == placed["orderId"]
    assert changed["eventId"] == envelope.event_id != placed["eventId"]
    assert changed["correlationId"] == envelope.correlation_id == placed["correlationId"]


def test_a_change_carries_its_reason_or_tracking_number(api):
    cancelled, shipped = api.place(), api.place()
    api.move(shipped["orderId"], "confirmed")

    api.post(f"/orders/{cancelled['orderId']}/cancel", {"reason": "found it cheaper"})
    api.post(f"/orders/{shipped['orderId']}/ship", {"trackingNumber": "T-1"})

    cancellation, shipment = [envelope.data for envelope in api.topic.published[-2:]]
    assert cancellation.reason == "found it cheaper"
    assert shipment.tracking_number == "T-1"


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [
        ("ship", "refund", (202, 202, "refunded")),
        ("refund", "ship", (202, 409, "cancelled")),
    ],
)
def test_of_two_concurrent_changes_the_second_sees_the_first(api, monkeypatch, first, second, ends):
    """The second has read the order before the first commits; the version makes it look again."""
    order_id = api.place()["orderId"]
    api.move(order_id, "confirmed")
    commit, answers = api.store.commit, []

    def overtaken(*arguments):
        monkeypatch.setattr(api.store, "commit", commit)
        answers.append(api.post(f"/orders/{order_id}/{first}"))
        return commit(*arguments)

    monkeypatch.setattr(api.store, "commit", overtaken)
    answers.append(api.post(f"/orders/{order_id}/{second}"))

    state = api.get(f"/orders/{order_id}").json()["state"]
    assert (*(answer.status_code for answer in answers), state) == ends


def test_a_refund_recorded_by_the_previous_version_is_replayed_unchanged(api, monkeypatch):
    """That version refunded unshipped orders; a replay reports what it did."""
    order_id = api.place()["orderId"]
    api.move(order_id, "confirmed")
    key = {"Idempotency-Key": "k1"}
    with monkeypatch.context() as before:
        before.setitem(lifecycle.TRANSITIONS, ("confirmed", "refund"), "refunded")
        first = api.post(f"/orders/{order_id}/refund", headers=key)

    again = api.post(f"/orders/{order_id}/refund", headers=key)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.json()["status"] == "refunded"
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("body", [None, {}])
def test_a_change_needs_no_body(api, body):
    placed = api.place()

    assert api.post(f"/orders/{placed['orderId']}/cancel", body).status_code == 202


def test_an_order_is_shown_without_the_customers_address(api):
    placed = api.place()

    answer = api.get(f"/orders/{placed['orderId']}")

    seen = answer.json()
    assert "ada@" not in answer.text
    assert [entry["eventType"] for entry in seen.pop("history")] == ["order.created"]
    assert seen == {
        "orderId": placed["orderId"],
        "state": "pending",
        "payment": "pending",
        "inventory": "pending",
        "items": [{"sku": "LAPTOP-001", "quantity": 2, "price": "850.00"}],
        "totalAmount": "1700.00",
        "currency": "EUR",
        "paymentId": None,
        "reasons": [],
        "createdAt": "2025-06-15T15:06:40Z",
        "correlationId": placed["correlationId"],
    }


def test_an_order_is_shown_with_the_reasons(api):
    placed = api.place()
    api.post(f"/orders/{placed['orderId']}/cancel", {"reason": "found it cheaper"})

    seen = api.get(f"/orders/{placed['orderId']}").json()

    assert seen["reasons"] == ["found it cheaper"]
    assert [entry["reason"] for entry in seen["history"]] == [None, "found it cheaper"]


def test_a_change_leaves_the_id_of_its_event_in_the_order(api):
    placed = api.place()
    cancelled = api.post(f"/orders/{placed['orderId']}/cancel").json()

    history = api.store.documents[f"order#{placed['orderId']}"]["history"]
    ids = [entry["eventId"] for entry in history]
    assert ids == [placed["eventId"], cancelled["eventId"]]


def test_reading_an_order_changes_nothing(api):
    placed = api.place()
    before = api.store.documents

    api.get(f"/orders/{placed['orderId']}")

    assert api.store.documents == before
    assert api.store.calls["commit"] == 1


@pytest.mark.parametrize("order_id", ["nope", "ada@example.com", "x" * 101, "a%00b"])
@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("POST", "/cancel"), ("POST", "/refund"), ("POST", "/ship")]
)
def test_an_unknown_order_is_not_found(api, method, tail, order_id):
    answer = api.request(method, f"/orders/{order_id}{tail}")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:problem-type:order-not-found"
    assert not api.store.records
