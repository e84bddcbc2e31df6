"""An order at another price than the listed one is refused with the current price."""

from decimal import Decimal

import pytest
from support.order_api import ORDER, Api

from workers.runtime.errors import Unavailable
from workers.services.prices import Price

LAPTOP = {"sku": "LAPTOP-001", "quantity": 2, "price": 850}
CUP = {"sku": "CUP", "quantity": 1, "price": "0.01"}


@pytest.fixture
def listed():
    return {"LAPTOP-001": Price(Decimal("850.00"), "EUR"), "MUG": Price(Decimal(7), "EUR")}


@pytest.fixture
def api(listed):
    return Api(prices=lambda: listed)


def place(api, *items, key=None, **changes):
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/orders", ORDER | {"items": list(items)} | changes, headers=headers)


@pytest.mark.parametrize("price", [850, "850.0", 850.00])
def test_an_order_at_the_listed_price_is_accepted(api, price):
    assert place(api, LAPTOP | {"price": price}).status_code == 202


def test_an_item_without_a_price_is_sold_at_the_price_of_the_order(api):
    assert place(api, LAPTOP, CUP).status_code == 202


@pytest.mark.parametrize(
    ("items", "changes"),
    [
        ([LAPTOP | {"price": "0.01"}], {}),
        ([LAPTOP | {"price": "850.01"}], {}),
        ([LAPTOP], {"currency": "USD"}),
        ([LAPTOP, CUP, LAPTOP | {"price": 0}], {}),
    ],
)
def test_an_order_at_another_price_is_refused_with_the_current_one(api, items, changes):
    answer = place(api, *items, **changes)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:problem-type:price-changed"
    assert problem["prices"] == [{"sku": "LAPTOP-001", "price": "850.00", "currency": "EUR"}]
    assert api.store.documents == {}
    assert api.topic.published == []


def test_every_item_that_differs_is_named(api):
    cheap = [LAPTOP | {"price": 1}, {"sku": "MUG", "quantity": 1, "price": 1}, CUP]

    problem = place(api, *cheap).json()

    assert [each["sku"] for each in problem["prices"]] == ["LAPTOP-001", "MUG"]


def test_a_request_that_was_accepted_is_not_refused_when_it_is_repeated_later(api, listed):
    first = place(api, LAPTOP, key="k1")
    listed["LAPTOP-001"] = Price(Decimal("900.00"), "EUR")

    again = place(api, LAPTOP, key="k1")

    assert (again.status_code, again.json()) == (202, first.json())
    assert place(api, LAPTOP, key="k2").status_code == 422


def test_no_order_is_accepted_while_the_prices_cannot_be_read():
    def prices():
        raise Unavailable("no answer", dependency="dynamodb")

    assert place(Api(prices=prices), LAPTOP).status_code == 503


def test_the_prices_are_documented(api):
    document = api.get("/openapi.json").json()["components"]["schemas"]

    assert "prices" in document["Problem"]["properties"]
    assert document["CurrentPrice"]["properties"].keys() == {"sku", "price", "currency"}
