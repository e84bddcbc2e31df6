"""Operators see and change the stock: dry runs, old and new values, no races, on record."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.heartbeats import DynamoRoster
from workers.ops import stock_buckets, stock_changes
from workers.runtime.errors import Conflict
from workers.runtime.roster import Heartbeat
from workers.services.buckets import NotEnough

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(provisioned):
    return Shop(provisioned)


@pytest.fixture
def workers(shop, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", shop.prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), ("stock", *arguments))
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


def units(shop, sku="tea"):
    seen = stock_changes.look(shop.dynamodb, shop.table("inventory"), sku)
    return seen and (seen.stock.available, seen.stock.reserved, seen.stock.reorder_threshold)


def test_setting_is_a_dry_run_with_the_old_and_the_new_value(shop, workers):
    assert "would change tea: 100 -> 40 available (0 reserved)" in workers("set", "tea", "40")
    assert units(shop) == (100, 0, 0)

    assert workers("set", "tea", "40", "--yes").startswith("tea: 100 -> 40 available")
    assert units(shop) == (40, 0, 0)


def test_setting_keeps_the_reorder_threshold_unless_it_is_given(shop, workers):
    workers("set", "tea", "40", "--reorder-at", "7", "--yes")
    workers("set", "tea", "50", "--yes")
    assert units(shop) == (50, 0, 7)


def test_a_typo_creates_no_item(shop, workers):
    assert "no item 'tee'; add --create" in workers("set", "tee", "40", "--yes", code=2)
    assert units(shop, "tee") is None

    workers("set", "mug", "40", "--create", "--yes")
    assert units(shop, "mug") == (40, 0, 10)


def test_units_are_added_and_taken_away(shop, workers):
    assert "100 -> 95" in workers("adjust", "tea", "-5", "--reason", "damaged")
    assert units(shop) == (100, 0, 0)
    workers("adjust", "tea", "-5", "--reason", "damaged", "--yes")
    workers("adjust", "tea", "12", "--reason", "delivery", "--yes")
    assert units(shop) == (107, 0, 0)


def test_an_adjustment_needs_a_reason_an_item_and_enough_units(shop, workers):
    assert "--reason" in workers("adjust", "tea", "-5", "--yes", code=2)
    workers("adjust", "tee", "5", "--reason", "delivery", "--yes", code=2)
    short = workers("adjust", "tea", "-101", "--reason", "damaged", "--yes", code=1)
    assert "100 available, cannot take 101" in short
    assert units(shop) == (100, 0, 0)


def test_an_order_between_reading_and_setting_is_not_undone(shop, monkeypatch):
    """Setting reads the item again; the order's reservation stays."""
    table, commit = shop.table("inventory"), DynamoStore.commit
    tries = []

    def sell_and_commit(store, transaction, outcomes):
        tries.append(transaction)
        if len(tries) == 1:
            sale = store.begin("order-api#1")
            sale.add("stock#tea", {"available": -1, "reserved": 1})
            commit(store, sale, ())
        return commit(store, transaction, outcomes)

    monkeypatch.setattr(DynamoStore, "commit", sell_and_commit)
    before, after = stock_changes.set_available(
        shop.dynamodb, table, "tea", 40, reorder_threshold=None, create=False
    )

    assert (before.available, before.reserved, after.available) == (99, 1, 40)
    assert len(tries) == 2
    monkeypatch.undo()
    assert units(shop) == (40, 1, 0)


def test_setting_gives_up_on_an_item_that_never_rests(shop, monkeypatch):
    def busy(*_):
        raise Conflict("an order")

    monkeypatch.setattr(stock_buckets, "LONGEST_WAIT", 0)
    monkeypatch.setattr(DynamoStore, "commit", busy)
    with pytest.raises(Conflict, match="stock adjust, or pause inventory"):
        stock_changes.set_available(
            shop.dynamodb, shop.table("inventory"), "tea", 1, reorder_threshold=None, create=False
        )


def test_an_adjustment_never_takes_what_an_order_took_first(shop):
    table = shop.table("inventory")
    with pytest.raises(NotEnough):
        stock_changes.adjust(shop.dynamodb, table, "tea", -101)
    assert stock_changes.adjust(shop.dynamodb, table, "tea", -100).available == 0


@pytest.fixture
def answers_come_late(shop, provisioned):
    """The SDK of a command sends every write twice: the first answer came too late."""
    shop.dynamodb = Clients.connect(provisioned, threads=1, transport="boto3").dynamodb()
    late = set()

    def again(request_dict, **_):
        token = str(request_dict["body"])
        if token in late:
            return None
        late.add(token)
        return 0  # s until the next attempt

    events = shop.dynamodb.meta.events
    writes = [f"needs-retry.dynamodb.{name}" for name in ("UpdateItem", "TransactWriteItems")]
    for write in writes:
        events.register_first(write, again, unique_id=write)
    return late


def test_a_change_that_is_answered_too_late_counts_once(shop, answers_come_late):
    table = shop.table("inventory")

    assert stock_changes.adjust(shop.dynamodb, table, "tea", 50).available == 150
    assert units(shop) == (150, 0, 0)
    assert stock_changes.adjust(shop.dynamodb, table, "tea", -100).available == 50
    assert units(shop) == (50, 0, 0)
    before, after = stock_changes.set_available(
        shop.dynamodb, table, "tea", 7, reorder_threshold=None, create=False
    )
    assert (before.available, after.available) == (50, 7)
    assert len(answers_come_late) == 3


def test_the_orders_that_hold_an_item_are_shown(shop, workers):
    held = shop.confirmed(quantity=3)
    shipped, cancelled = shop.confirmed(quantity=4), shop.confirmed(quantity=5)
    shop.ask("ship", shipped)
    shop.ask("cancel", cancelled, "changed my mind")
    shop.deliver()

    found = json.loads(workers("show", "tea", "--json"))

    assert found["orders"] == [{"order_id": held, "units": 3}]
    assert (found["available"], found["reserved"]) == (93, 3)
    assert held in workers("show", "tea")
    workers("show", "tee", code=2)


def test_an_item_in_buckets_is_shown_set_and_adjusted_as_one(shop, workers):
    held = shop.confirmed(quantity=3)
    assert "would change tea: 1 bucket -> 4 (97 available)" in workers("buckets", "tea", "4")
    assert shop.row("inventory", "bucket#1#tea") is None
    workers("buckets", "tea", "4", "--reason", "sale", "--yes")
    sold = shop.confirmed(quantity=70)  # more than any bucket has

    found = json.loads(workers("show", "tea", "--json"))
    assert (found["available"], found["reserved"], found["buckets"]) == (27, 73, 4)
    assert {each["order_id"]: each["units"] for each in found["orders"]} == {held: 3, sold: 70}
    assert json.loads(workers("list", "--json"))[0]["available"] == 27
    assert "27 -> 40" in workers("adjust", "tea", "13", "--reason", "found", "--yes")
    assert "40 -> 31" in workers("adjust", "tea", "-9", "--reason", "damaged", "--yes")
    workers("adjust", "tea", "-32", "--reason", "damaged", "--yes", code=1)
    assert "31 -> 90 available, reorder at 0 -> 5" in workers(
        "set", "tea", "90", "--reorder-at", "5", "--yes"
    )
    assert units(shop) == (90, 73, 5)
    for order_id in (held, sold):
        shop.ask("cancel", order_id, "changed my mind")
    shop.deliver()
    assert units(shop) == (163, 0, 5)

    workers("buckets", "tea", "1", "--yes")
    assert units(shop) == (163, 0, 5)
    assert shop.row("inventory", "stock#tea")["available"] == {"N": "163"}
    result = CliRunner().invoke(cli.build(), ("audit", "inventory", "--json"))
    newest = json.loads(result.stdout)[0]
    assert (newest["action"], newest["detail"]) == (
        "stock buckets",
        {"sku": "tea", "from": "4", "to": "1"},
    )


def test_a_shipped_order_is_settled_out_of_its_buckets(shop, workers):
    workers("buckets", "tea", "4", "--yes")
    shipped = shop.confirmed(quantity=70)
    shop.ask("ship", shipped)
    shop.deliver(but=["inventory"])
    workers("settle", shipped, "--reason", "upgrade", "--yes")
    assert units(shop) == (30, 0, 0)


def test_buckets_wait_for_the_end_of_a_deploy(shop, workers):
    """A worker that knows no buckets would sell the first one only."""
    table = shop.table("inventory")
    new = Heartbeat("inventory-2", at=datetime.now(UTC), started_at=datetime.now(UTC))
    old = replace(new, worker="inventory-1", version="0ld", features=frozenset())
    roster = DynamoRoster(shop.dynamodb, table)
    for beat in (new, old):
        roster.join(beat.worker)
        roster.beat(beat)
    shop.dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": "worker#inventory-1"}},
        UpdateExpression="REMOVE features",  # as the last version writes it
    )

    refused = workers("buckets", "tea", "4", "--yes", code=1)
    assert "finish the deploy first: inventory-1 (0ld)" in refused
    assert units(shop) == (100, 0, 0)
    workers("buckets", "tea", "1", "--yes")

    roster.leave([old.worker])
    workers("buckets", "tea", "4", "--yes")
    assert shop.row("inventory", "bucket#3#tea")


def test_the_number_of_buckets_is_limited(workers):
    assert "at most 32" in workers("buckets", "tea", "33", "--yes", code=2)
    workers("buckets", "tea", "0", code=2)
    workers("buckets", "tee", "2", code=2)


def test_changes_are_on_record(workers):
    workers("set", "tea", "40", "--reason", "counted", "--yes")
    workers("adjust", "tea", "-5", "--reason", "damaged", "--yes")

    result = CliRunner().invoke(cli.build(), ("audit", "inventory", "--json"))
    newest, first = json.loads(result.stdout)
    assert (newest["action"], newest["reason"], newest["detail"]) == (
        "stock adjust",
        "damaged",
        {"sku": "tea", "units": "-5", "to": "35"},
    )
    assert (first["action"], first["result"], first["detail"]) == (
        "stock set",
        "done",
        {"sku": "tea", "to": "40", "from": "100"},
    )
    assert first["by"].startswith("arn:")


def test_shipped_orders_that_still_hold_units_are_settled_once(shop, workers):
    """An old task of inventory deleted their order.shipped unhandled."""
    shipped, refunded, waiting = (shop.confirmed(quantity=n) for n in (2, 3, 4))
    for order_id in (shipped, refunded):
        shop.ask("ship", order_id)
    shop.ask("refund", refunded, "it is broken")
    shop.deliver(but=["inventory"])
    assert units(shop) == (91, 9, 0)

    dry = json.loads(workers("settle", "--all", "--json"))
    assert (set(dry["orders"]), dry["settled"]) == ({shipped, refunded}, False)
    assert units(shop) == (91, 9, 0)

    workers("settle", shipped, "--yes")
    workers("settle", shipped, "--yes")
    assert units(shop) == (91, 7, 0)
    workers("settle", "--all", "--yes")
    shop.deliver()  # late
    assert units(shop) == (91, 4, 0)
    assert "has shipped" in workers("settle", waiting, "--yes", code=2)
    workers("settle", code=2)
