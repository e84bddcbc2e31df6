"""Operators find orders and see their books."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.addresses import ERASED
from workers.events import Simulation
from workers.ops.orders import search

pytestmark = pytest.mark.integration


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


def test_an_order_is_shown_with_its_money_stock_and_mails(shop, workers):
    order_id = shop.confirmed()
    shop.ask("cancel", order_id, "write to bob@example.com")
    shop.deliver()

    shown = json.loads(workers("order", "show", order_id, "--json"))

    assert (shown["state"], shown["payment"], shown["inventory"]) == (
        "cancelled",
        "refunded",
        "released",
    )
    assert [(m["kind"], m["amount"]) for m in shown["ledger"]] == [
        ("charge", "24.60 EUR"),
        ("refund", "24.60 EUR"),
    ]
    assert (shown["payment_on_record"], shown["reservation"]) == ("refunded", "released")
    assert [mail["kind"] for mail in shown["mails"]] == [
        "order-confirmation",
        "cancellation-confirmation",
    ]
    assert shown["reasons"] == ["write to [e-mail]"]


def test_a_mail_that_was_withheld_is_shown_with_the_reason(shop, workers):
    order_id = shop.confirmed(email=ERASED)

    (mail,) = json.loads(workers("order", "show", order_id, "--json"))["mails"]

    assert (mail["kind"], mail["withheld"]) == ("order-confirmation", "address erased")
    assert "withheld address erased" in workers("order", "show", order_id)
    (told,) = json.loads(workers("trace", order_id, "--json"))["mails"]
    assert told["withheld"] == "address erased"
    assert "mail: order-confirmation, withheld: address erased" in workers("trace", order_id)


def test_who_changed_an_order_is_shown_and_its_owner_is_masked(shop, workers):
    order_id = shop.place(owner="alice-7", by="alice-7")
    shop.deliver()
    shop.ask("refund", order_id, "broken", by="back-office")

    masked = json.loads(workers("order", "show", order_id, "--json"))
    revealed = json.loads(workers("order", "show", order_id, "--reveal", "--json"))

    assert "alice-7" not in workers("order", "show", order_id)
    assert masked["owner"] == "***"
    assert [entry.get("by") for entry in masked["history"] if "by" in entry] == [
        "the owner",
        "back-office",
    ]
    assert revealed["owner"] == revealed["history"][0]["by"] == "alice-7"


def test_a_caller_under_the_address_or_the_id_of_the_customer_is_masked_too(shop, workers):
    order_id = shop.confirmed(email="ada@example.com", customer_id="cus_1", owner="a|1", by="cus_1")
    shop.ask("ship", order_id, by="ada@example.com")

    masked = json.loads(workers("order", "show", order_id, "--json"))

    assert [entry["by"] for entry in masked["history"] if "by" in entry] == ["the owner"] * 2


def test_an_erased_order_shows_what_its_owner_did(shop, workers):
    order_id = shop.confirmed(email="ada@example.com", owner="alice-7", by="alice-7")
    shop.ask("ship", order_id, by="back-office")
    workers("customer", "erase", "ada@example.com", "--reason", "a test", "--yes")

    for options in ((), ("--reveal",)):
        shown = json.loads(workers("order", "show", order_id, *options, "--json"))
        assert shown["owner"] is None
        assert [entry["by"] for entry in shown["history"] if "by" in entry] == [
            "the owner",
            "back-office",
        ]


def test_an_order_of_nobody_has_no_names(shop, workers):
    shown = json.loads(workers("order", "show", shop.confirmed(), "--json"))

    assert shown["owner"] is None
    assert not any("by" in entry for entry in shown["history"])


def test_a_decline_is_shown_with_its_reason(shop, workers):
    order_id = shop.place(simulation=Simulation(payment_outcome="declined"))
    shop.deliver()

    shown = workers("order", "show", order_id)

    assert "simulated: the card was declined" in shown
    assert "state: cancelled" in shown
    assert "ledger: -" in shown


def test_personal_data_is_masked_unless_it_is_asked_for(shop, workers):
    order_id = shop.confirmed(email="ada@example.com")

    assert "ada@" not in workers("order", "show", order_id)
    assert "ada@" not in workers("order", "show", order_id, "--json")
    assert "ada@example.com" in workers("order", "show", order_id, "--reveal")


def test_orders_are_found_by_address(shop, workers):
    mine = {shop.place(email="ada@example.com") for _ in range(2)}
    shop.place(email="bob@example.com")

    found = json.loads(workers("order", "show", "--email", "ada@example.com", "--json"))

    assert {each["order_id"] for each in found} == mine
    assert "no order has this address" in workers("order", "show", "--email", "x@y.zz", code=2)


def test_orders_are_listed_by_state_and_age(shop, workers):
    confirmed = {shop.confirmed(), shop.confirmed()}

    def listed(*options):
        answer = json.loads(workers("order", "list", *options, "--json"))
        assert answer["after"] is None
        return {each["order_id"] for each in answer["orders"]}

    assert listed() == listed("--state", "confirmed") == confirmed
    assert listed("--state", "pending") == set()
    assert listed("--older-than", "1h") == set()
    late = shop.place()
    assert listed("--state", "pending") == {late}
    hour_ago = (datetime.now(UTC) - timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    shop.change("orders", f"order#{late}", createdAt=hour_ago)
    assert listed("--older-than", "1h") == {late}
    assert listed("--older-than", "3h") == set()


def test_a_search_stops_at_its_limit_and_goes_on_behind_it(shop, workers):
    placed = {shop.place() for _ in range(5)}
    found, after = [], []
    while True:
        page = json.loads(workers("order", "list", "--limit", "2", *after, "--json"))
        found += [each["order_id"] for each in page["orders"]]
        if page["after"] is None:
            break
        after = ["--after", page["after"]]

    assert sorted(found) == sorted(placed)


def test_an_interrupted_search_keeps_what_it_found_and_says_where_to_go_on(
    shop, workers, monkeypatch
):
    placed = shop.place()

    def interrupted(*_, **__):
        page = next(search(shop.dynamodb, shop.table("orders")))
        yield replace(page, next_key="order#somewhere")
        raise KeyboardInterrupt

    monkeypatch.setattr("workers.ops.orders.search", interrupted)

    shown = workers("order", "list", code=75)
    assert placed in shown
    assert "add --after 'order#somewhere'" in shown


def test_dynamodb_filters_and_returns_nothing_that_is_not_shown(shop):
    shop.place()
    requests = []
    shop.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.Scan", lambda params, **_: requests.append(params)
    )

    list(search(shop.dynamodb, shop.table("orders"), state="pending", email="ada@example.com"))

    (request,) = requests
    assert "#state = :state AND customerEmail = :email" in request["FilterExpression"]
    assert "customerEmail" not in request["ProjectionExpression"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("show", "nobody"),
        ("show", "one", "--email", "x@y.zz"),
        ("list", "--state", "lost"),
        ("list", "--older-than", "soon"),
    ],
)
def test_wrong_usage_is_refused_with_what_exists(workers, arguments):
    workers("order", *arguments, code=2)
