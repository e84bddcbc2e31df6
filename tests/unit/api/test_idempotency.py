"""A repeated request gets the first response and has no second effect."""

from collections import Counter
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.order_api import ORDER, Api

from workers.api.bodies import NewOrder
from workers.envelope import Encoded
from workers.runtime.errors import Conflict, InProgress, Unavailable

KEY = {"Idempotency-Key": "k1"}


def test_the_same_request_gets_the_same_response(api, order):
    first = api.post("/orders", order, headers=KEY)
    again = api.post("/orders", order, headers=KEY)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.store.documents) == len(api.topic.published) == 1


def test_the_same_order_written_differently_is_the_same_request(api, order):
    first = api.post("/orders", order, headers=KEY)
    line = {"price": "850.00", "quantity": 2, "sku": "LAPTOP-001"}
    other = {"items": [line], "currency": "EUR", "customerEmail": "ada@example.com"}

    assert api.post("/orders", other, headers=KEY).json() == first.json()


@pytest.mark.parametrize("typed", ["ada@b\u00fccher.de", "ada@xn--bcher-kva.de"])
def test_requests_are_hashed_as_in_the_previous_version(typed):
    """During a deploy both versions must agree on which request a key belongs to."""
    line = {"sku": "LAPTOP-001", "quantity": 2, "price": "850.00"}
    body = {"customerEmail": typed, "currency": "EUR", "items": [line]}

    assert NewOrder.model_validate(body).canonical() == (
        '{"customerEmail":"ada@b\u00fccher.de","currency":"EUR",'
        '"items":[{"sku":"LAPTOP-001","quantity":2,"price":"850.00"}]}'
    )


@pytest.mark.parametrize("change", [{"currency": "USD"}, {"customerEmail": "eve@example.com"}])
def test_a_different_body_under_the_same_key_is_refused(api, order, change):
    api.post("/orders", order, headers=KEY)

    answer = api.post("/orders", order | change, headers=KEY)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem-type:idempotency-key-reused"
    assert len(api.store.documents) == 1


def test_the_same_key_on_another_path_is_a_different_request(api):
    placed, other = api.place(key="k1"), api.place(key="k2")
    api.post(f"/orders/{placed['orderId']}/cancel", headers={"Idempotency-Key": "k3"})

    for path in (f"/orders/{other['orderId']}/cancel", f"/orders/{placed['orderId']}/refund"):
        answer = api.post(path, headers={"Idempotency-Key": "k3"})
        assert answer.json()["type"] == "urn:problem-type:idempotency-key-reused"


def test_without_a_key_every_request_places_an_order(api):
    assert api.place()["orderId"] != api.place()["orderId"]


def test_a_refused_request_may_be_corrected_under_the_same_key(api, order):
    api.post("/orders", order | {"currency": "euro"}, headers=KEY)

    assert api.post("/orders", order, headers=KEY).status_code == 202


@pytest.mark.parametrize(
    ("action", "state"), [("cancel", "confirmed"), ("refund", "confirmed"), ("ship", "confirmed")]
)
def test_a_repeated_change_gets_the_same_response_although_the_state_forbids_it(api, action, state):
    placed = api.place()
    api.move(placed["orderId"], state)
    path = f"/orders/{placed['orderId']}/{action}"

    first = api.post(path, headers=KEY)
    again = api.post(path, headers=KEY)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.topic.published) == 2


def test_a_response_recorded_by_a_newer_version_can_be_retried(api, order):
    api.post("/orders", order, headers=KEY)
    (key, record), *_ = api.store.records.items()
    newer = Encoded.read(record.outcomes[0].body.replace("order.created", "order.drafted"))
    api.store.records[key] = replace(record, outcomes=(newer,))

    again = api.post("/orders", order, headers=KEY)

    assert (again.status_code, again.headers["Retry-After"]) == (503, "1")
    assert len(api.topic.sent) == 1


def test_a_lost_reply_from_the_store_does_not_create_a_second_order(api, order):
    api.store.fail_next("commit", Conflict("reply lost"), lost_reply=True)

    answer = api.post("/orders", order)

    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers
    assert len(api.store.documents) == 1
    assert api.outbox.published == [answer.json()["eventId"]]


def test_a_retry_after_a_lost_reply_finds_the_order(api, order):
    outage = Unavailable("timeout", dependency="dynamodb")
    api.store.fail_next("commit", outage, lost_reply=True)

    failed = api.post("/orders", order, headers=KEY)
    again = api.post("/orders", order, headers=KEY)

    assert (failed.status_code, again.status_code) == (503, 202)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.store.documents) == 1


def test_a_conflict_is_retried_in_process(api, order):
    api.store.fail_next("commit", Conflict("another transaction"), times=3)

    assert api.post("/orders", order).status_code == 202
    assert len(api.store.documents) == len(api.topic.published) == 1


@pytest.mark.parametrize(
    ("error", "kind"), [(InProgress("the row"), "in-progress"), (Conflict("the order"), "conflict")]
)
def test_a_request_that_keeps_conflicting_gets_retry_after(api, order, error, kind):
    api.store.fail_next("commit", error, times=8)

    answer = api.post("/orders", order, headers=KEY)

    assert answer.status_code == 409
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["type"] == f"urn:problem-type:{kind}"
    assert not api.store.documents


@given(keys=st.lists(st.sampled_from(["a", "b", "c"]), min_size=2, max_size=8))
@settings(max_examples=25, deadline=None)
def test_concurrent_requests_with_one_key_place_one_order(keys):
    api, start, answers = Api(), Barrier(len(keys)), []

    def send(key):
        start.wait()
        answers.append((key, api.post("/orders", ORDER, headers={"Idempotency-Key": key})))

    threads = [Thread(target=send, args=[key]) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    orders = {(key, answer.json()["orderId"]) for key, answer in answers}
    fresh = Counter(key for key, a in answers if "Idempotent-Replayed" not in a.headers)
    assert {answer.status_code for _, answer in answers} == {202}
    assert len(orders) == len(api.store.documents) == len(api.topic.published) == len(set(keys))
    assert set(fresh.values()) == {1}
