"""Operators set prices; order-api reads them once in a while; what it accepted stays as it is."""

import json
from decimal import Decimal

import pytest
from support.fakes import FakeClock
from support.order_api import ORDER, Api
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.aws.dynamodb import DynamoStore
from workers.aws.prices import EFFECTIVE_WITHIN, CachedPrices, change, read
from workers.services.prices import Price

pytestmark = pytest.mark.integration

WHY = ("--reason", "new list")


@pytest.fixture
def shop(provisioned):
    return Shop(provisioned)


@pytest.fixture
def workers(shop, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", shop.prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), arguments)
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


def listed(shop):
    return {sku: str(price) for sku, price in read(shop.dynamodb, shop.table("orders")).items()}


def test_a_price_is_set_after_a_dry_run_and_shown_with_the_stock(shop, workers):
    asked = ("stock", "price", "tea", "12.5", "EUR", *WHY)
    assert "would change the price of tea: none -> 12.50 EUR" in workers(*asked)
    assert listed(shop) == {}

    assert workers(*asked, "--yes").startswith("the price of tea: none -> 12.50 EUR")
    assert listed(shop) == {"tea": "12.50 EUR"}
    assert json.loads(workers("stock", "show", "tea", "--json"))["price"] == "12.50 EUR"
    assert "12.50 EUR" in workers("stock", "show", "tea")


def test_a_price_is_replaced_and_removed_with_old_and_new_value(shop, workers):
    workers("stock", "price", "tea", "12.50", "EUR", *WHY, "--yes")

    found = workers("stock", "price", "tea", "13", "USD", *WHY, "--yes", "--json")
    assert json.loads(found) == {
        "sku": "tea",
        "before": "12.50 EUR",
        "after": "13.00 USD",
        "changed": True,
    }
    workers("stock", "price", "tea", "--remove", *WHY, "--yes")
    assert listed(shop) == {}
    assert json.loads(workers("stock", "show", "tea", "--json"))["price"] is None


def test_changes_of_prices_are_on_record(workers):
    workers("stock", "price", "tea", "12.50", "EUR", *WHY, "--yes")

    (kept,) = json.loads(workers("audit", "orders", "--json"))

    assert (kept["action"], kept["reason"], kept["result"]) == ("stock price", "new list", "done")
    assert kept["detail"] == {"sku": "tea", "from": "none", "to": "12.50 EUR"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("tea",),
        ("tea", "12.50"),
        ("tea", "12.505", "EUR"),
        ("tea", "1e3", "EUR"),
        ("tea", "12.50", "eur"),
        ("tea", "12.50", "EUR", "--remove"),
        ("tee", "12.50", "EUR"),  # no such item
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(shop, workers, arguments):
    workers("stock", "price", *arguments, *WHY, "--yes", code=2)

    assert listed(shop) == {}


def test_a_price_needs_a_reason(workers):
    assert "--reason" in workers("stock", "price", "tea", "12.50", "EUR", "--yes", code=2)


def test_prices_of_two_operators_do_not_overwrite_each_other(shop):
    table = shop.table("orders")
    for sku in ("tea", "pk", "version", "a.b-c_d"):
        change(shop.dynamodb, table, sku, Price(Decimal("1.00"), "EUR"))

    assert listed(shop) == dict.fromkeys(("tea", "pk", "version", "a.b-c_d"), "1.00 EUR")


def test_order_api_reads_the_list_once_and_learns_of_a_change_in_time(shop):
    clock, table = FakeClock(), shop.table("orders")
    reads = []
    shop.dynamodb.meta.events.register(
        "before-call.dynamodb.GetItem", lambda **_: reads.append(1), unique_id="reads"
    )
    prices = CachedPrices(shop.dynamodb, table, clock)
    for _ in range(100):
        assert prices() == {}
    assert len(reads) == 1

    change(shop.dynamodb, table, "tea", Price(Decimal("12.50"), "EUR"))
    clock.advance(EFFECTIVE_WITHIN)
    assert prices() == {"tea": Price(Decimal("12.50"), "EUR")}
    assert len(reads) == 2


def test_an_order_at_an_old_price_is_refused_and_one_accepted_before_keeps_its_price(shop):
    clock, table = FakeClock(), shop.table("orders")
    store = DynamoStore(shop.dynamodb, table, outbox=True)
    api = Api(store=store, outbox=shop.outbox, prices=CachedPrices(shop.dynamodb, table, clock))
    order = ORDER | {"items": [{"sku": "tea", "quantity": 1, "price": "12.50"}]}
    change(shop.dynamodb, table, "tea", Price(Decimal("12.50"), "EUR"))
    early = api.post("/orders", order)
    change(shop.dynamodb, table, "tea", Price(Decimal("13.00"), "EUR"))
    in_between = api.post("/orders", order)
    clock.advance(EFFECTIVE_WITHIN)
    late = api.post("/orders", order)

    assert [each.status_code for each in (early, in_between, late)] == [202, 202, 422]
    assert late.json()["prices"] == [{"sku": "tea", "price": "13.00", "currency": "EUR"}]
    kept = api.get(f"/orders/{in_between.json()['orderId']}").json()
    assert (kept["items"][0]["price"], kept["totalAmount"]) == ("12.50", "12.50")
