"""Each planted difference is found, and nothing that is in progress."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from support import emf
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.aws.dynamodb import DynamoStore
from workers.events import Simulation
from workers.ops.books import Library
from workers.ops.reconcile import Reconciliation
from workers.ops.stock_buckets import spread
from workers.settings import Settings

pytestmark = pytest.mark.integration

LATER = timedelta(minutes=20)


@pytest.fixture
def shop(provisioned):
    return Shop(provisioned)


def run_of(shop, *, after=LATER, waiting=None):
    library = Library(shop.dynamodb, Settings(name_prefix=shop.prefix), shop.topology)
    backlogs = waiting or {}
    return Reconciliation(library, datetime.now(UTC) + after, lambda name: backlogs.get(name, 0))


def found(shop, **options):
    return {(each.kind, each.subject) for each in run_of(shop, **options).differences()}


def a_busy_day(shop):
    """Orders in every state, all of them at rest."""
    ids = {"confirmed": shop.confirmed(), "shipped": shop.confirmed(), "refunded": shop.confirmed()}
    ids |= {"cancelled": shop.confirmed(), "withdrawn": shop.place()}
    shop.ask("cancel", ids["withdrawn"], "too slow")
    shop.ask("ship", ids["shipped"])
    shop.ask("ship", ids["refunded"])
    shop.ask("refund", ids["refunded"], "it is broken")
    shop.ask("refund", ids["cancelled"], "found it cheaper")
    ids["declined"] = shop.place(simulation=Simulation(payment_outcome="declined"))
    ids["short"] = shop.place(simulation=Simulation(inventory_outcome="out_of_stock"))
    shop.deliver()
    return ids


def test_orders_in_every_state_agree_with_their_books(shop):
    a_busy_day(shop)
    run = run_of(shop)

    assert list(run.differences()) == []
    assert (run.orders, run.in_progress, run.busy) == (7, 0, [])


PLANTED = {
    "not_charged": lambda shop, ids: shop.remove("payment", f"payment#{ids['confirmed']}"),
    "not_charged in the ledger": lambda shop, ids: shop.remove(
        "payment", f"ledger#charge-{ids['shipped']}"
    ),
    "refunded": lambda shop, ids: _ledger(shop, ids["confirmed"], "refund", "24.60"),
    "not_refunded": lambda shop, ids: shop.remove("payment", f"ledger#refund-{ids['cancelled']}"),
    "not_refunded after shipping": lambda shop, ids: shop.remove(
        "payment", f"ledger#refund-{ids['refunded']}"
    ),
    "wrong_amount": lambda shop, ids: shop.change(
        "payment", f"ledger#charge-{ids['confirmed']}", amount="99.00"
    ),
    "wrong_amount of a refund": lambda shop, ids: shop.change(
        "payment", f"ledger#refund-{ids['refunded']}", amount="0.60"
    ),
    "report_lost": lambda shop, ids: shop.change(
        "orders", f"order#{ids['confirmed']}", state="pending", payment="pending"
    ),
    "not_reserved": lambda shop, ids: shop.remove("inventory", f"reservation#{ids['confirmed']}"),
    "stock_held after a cancellation": lambda shop, ids: shop.change(
        "inventory", f"reservation#{ids['cancelled']}", state="reserved"
    ),
    "stock_held after shipping": lambda shop, ids: shop.change(
        "inventory", f"reservation#{ids['shipped']}", state="reserved"
    ),
    "not_told": lambda shop, ids: shop.remove(
        "notification", f"sent#shipping-notification-{ids['shipped']}"
    ),
    "not_recorded": lambda shop, ids: (
        shop.remove("payment", f"payment#{ids['confirmed']}"),
        shop.change("orders", f"order#{ids['confirmed']}", state="pending", payment="pending"),
    ),
    "no_order": lambda shop, ids: shop.remove("orders", f"order#{ids['confirmed']}"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_found_with_its_order(shop, planted):
    ids = a_busy_day(shop)
    PLANTED[planted](shop, ids)

    kinds = dict(found(shop))

    kind = planted.partition(" ")[0]
    assert kind in kinds
    assert kinds[kind] in ids.values()


def test_a_stock_that_is_not_the_sum_of_its_reservations_is_found(shop):
    a_busy_day(shop)
    shop.dynamodb.update_item(
        TableName=shop.table("inventory"),
        Key={"pk": {"S": "stock#tea"}},
        UpdateExpression="ADD reserved :three",
        ExpressionAttributeValues={":three": {"N": "3"}},
    )

    assert found(shop) == {("stock_total", "tea")}


@pytest.mark.parametrize("wrong", ["stock#tea", "bucket#2#tea", ""])
def test_the_stock_of_an_item_in_buckets_is_their_sum(shop, wrong):
    spread(DynamoStore(shop.dynamodb, shop.table("inventory")), "tea", 3)
    a_busy_day(shop)
    if wrong:
        shop.dynamodb.update_item(
            TableName=shop.table("inventory"),
            Key={"pk": {"S": wrong}},
            UpdateExpression="ADD reserved :three",
            ExpressionAttributeValues={":three": {"N": "3"}},
        )

    assert found(shop) == ({("stock_total", "tea")} if wrong else set())


def test_an_item_that_is_sold_during_the_scan_is_busy_and_not_different(shop, monkeypatch):
    a_busy_day(shop)
    run, stock = run_of(shop), Reconciliation._stock  # noqa: SLF001 - the moment in between

    def sell_then_look(self):
        found = stock(self)
        shop.place()
        shop.deliver()
        return found

    monkeypatch.setattr(Reconciliation, "_stock", sell_then_look)

    assert list(run.differences()) == []
    assert run.busy == ["tea"]


@pytest.mark.parametrize("stuck", [False, True])
def test_an_event_that_stays_in_the_outbox_is_found(shop, stuck):
    order_id = shop.place()
    event_id = shop.order(order_id)["correlationId"]["S"]
    row = {"outboxShard": "stuck" if stuck else "1"}
    row |= {"stuckReason": "too large"} if stuck else {}
    order = f"2026-01-02T12:00:00.000000+00:00#{event_id}"
    shop.change("orders", f"outbox#{event_id}", outboxOrder=order, **row)

    assert ("unpublished", event_id) in found(shop)


def test_orders_in_progress_are_no_difference(shop):
    """Nothing is delivered to payment; then nothing to anyone."""
    first, second = shop.confirmed(), shop.place()
    shop.ask("cancel", first, "changed my mind")
    shop.deliver(but=["payment", "notification"])

    assert found(shop, after=timedelta()) == set()
    waiting = {"payment": 3, "notification": 5}
    run = run_of(shop, waiting=waiting)
    assert list(run.differences()) == []
    assert run.in_progress >= 1
    # The queues are empty: the events are lost.
    assert {("not_refunded", first), ("not_told", first)} <= found(shop)
    shop.deliver()
    assert found(shop) == set()
    assert shop.order(second)["state"]["S"] == "confirmed"


def test_a_redriven_order_is_in_progress_until_the_grace_time_is_over(shop):
    order_id = shop.confirmed()
    shop.ask("cancel", order_id, "changed my mind")
    shop.deliver(but=["payment"])
    ((_, event),) = shop.waiting
    shop.fail("payment", event, "dead_lettered")
    kinds = {kind for kind, _ in found(shop)}
    assert kinds == {"not_refunded"}

    shop.deliver(but=["orders"])
    shop.change("orders", f"order#{order_id}", createdAt="2026-01-02T12:00:00Z")
    history = shop.order(order_id)["history"]["L"]
    for entry in history:
        entry["M"]["at"]["S"] = "2026-01-02T12:00:00Z"
    shop.dynamodb.update_item(
        TableName=shop.table("orders"),
        Key={"pk": {"S": f"order#{order_id}"}},
        UpdateExpression="SET history = :history",
        ExpressionAttributeValues={":history": {"L": history}},
    )
    run = run_of(shop, after=timedelta())
    assert list(run.differences()) == []
    assert run.in_progress == 1


def test_with_stripe_the_record_of_payment_stands_for_the_ledger(shop):
    """Stripe's refunds are not in our tables, and a claimed PaymentIntent may be declined."""
    ids = a_busy_day(shop)
    for order_id in ids.values():
        claim = {"pk": {"S": f"gateway#charge-{order_id}"}, "payment": {"S": "pi_1"}}
        shop.dynamodb.put_item(TableName=shop.table("payment"), Item=claim)
        for kind in ("charge", "refund"):
            shop.remove("payment", f"ledger#{kind}-{order_id}")
    assert found(shop) == set()

    shop.change("payment", f"payment#{ids['cancelled']}", state="completed")
    assert ("not_refunded", ids["cancelled"]) in found(shop)


@pytest.fixture
def workers(shop, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", shop.prefix)
    return lambda *arguments: CliRunner().invoke(cli.build(), arguments)


def test_the_command_prints_what_to_do_and_exits_with_1(shop, workers, monkeypatch):
    ids = a_busy_day(shop)
    assert workers("reconcile", "--grace", "0s").exit_code == 0
    shop.remove("payment", f"ledger#refund-{ids['cancelled']}")

    result = workers("reconcile", "--grace", "0s")
    assert result.exit_code == 1
    assert f"not_refunded {ids['cancelled']}: the order is cancelled" in result.stdout
    assert "1 difference in 7 orders: 1 not_refunded" in result.stdout

    monkeypatch.setenv("ENVIRONMENT", "prod")
    result = workers("reconcile", "--grace", "0s", "--json")
    assert json.loads(result.stdout)["counts"] == {"not_refunded": 1}
    line = json.loads(result.stderr)
    where = (("Environment", "prod"), ("Service", "reconcile"))
    assert emf.metrics(line)[("OrderPipeline", where, "ReconciliationDifferences")] == 1
    assert line["kinds"] == {"not_refunded": 1}
    assert workers("reconcile", "--grace", "soon").exit_code == 2


def _ledger(shop, order_id, kind, amount):
    row = dict(shop.row("payment", f"ledger#charge-{order_id}"))
    row |= {"pk": {"S": f"ledger#{kind}-{order_id}"}, "kind": {"S": kind}, "amount": {"S": amount}}
    shop.dynamodb.put_item(TableName=shop.table("payment"), Item=row)
