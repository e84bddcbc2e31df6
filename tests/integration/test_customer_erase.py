"""A customer is erased from every row, and the books of the orders agree as before."""

import json

import pytest
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.addresses import ERASED
from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_document
from workers.events import Simulation
from workers.ops import erase
from workers.ops.books import Library
from workers.ops.erase import Customer, without_customer
from workers.ops.reconcile_rules import differences_of
from workers.services.order import Order
from workers.settings import Settings
from workers.signing import Signing, WrongSignature

pytestmark = pytest.mark.integration

ADA = "ada@example.com"
BOB = "bob@example.com"
TABLES = ("orders", "payment", "inventory", "notification", "analytics")
KEYS = {"2026": "k" * 32}
SIGNING = Signing(KEYS, "2026")
WHY = ("--reason", "request 4711")


@pytest.fixture
def shop(provisioned):
    return Shop(provisioned)


@pytest.fixture
def workers(shop, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", shop.prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), ("customer", "erase", *arguments))
        assert result.exit_code == code, (result.output, result.exception)
        return result.output if code else result.stdout

    return run


def everything(shop):
    """Return all rows of all tables as text."""
    return {
        table: json.dumps(shop.dynamodb.scan(TableName=shop.table(table))["Items"])
        for table in TABLES
    }


def naming(shop, text):
    return {table for table, rows in everything(shop).items() if text in rows}


def differences(shop, *order_ids):
    library = Library(shop.dynamodb, Settings(name_prefix=shop.prefix), shop.topology)
    books = library.read(order_ids)
    return [
        difference
        for order_id in order_ids
        for difference in differences_of(
            Order.of(to_document(shop.order(order_id))), books[order_id]
        )
    ]


def test_a_dry_run_counts_and_changes_nothing(shop, workers):
    shop.confirmed(email=ADA)
    before = everything(shop)

    said = workers(ADA)

    assert said.startswith("would erase the customer from 6 rows (4 inbox, 1 order, 1 outbox)")
    assert everything(shop) == before


def test_no_row_of_any_table_names_an_erased_customer(shop, workers):
    shipped, cancelled = shop.confirmed(email=ADA), shop.confirmed(email=ADA)
    declined = shop.place(email=ADA, simulation=Simulation(payment_outcome="declined"))
    shop.ask("ship", shipped)
    shop.ask("cancel", cancelled, f"I live at Elm Street 1, {ADA}")
    other = shop.confirmed(email=BOB)
    shop.deliver()
    assert naming(shop, ADA) == {"orders", "payment", "inventory"}

    found = json.loads(workers(ADA, *WHY, "--yes", "--json"))

    assert naming(shop, ADA) == naming(shop, "Elm Street") == set()
    assert found["orders"] == sorted([shipped, cancelled, declined])
    assert found["erased"] == sum(found["rows"].values())
    assert found["in_progress"] == 0
    assert [each["where"] for each in found["out_of_reach"]][:2] == [
        "messages in queues",
        "dead letters",
    ]
    assert BOB in everything(shop)["orders"]
    assert differences(shop, shipped, cancelled, declined, other) == []
    assert json.loads(workers(ADA, "--json"))["rows"] == {}


def test_an_erased_order_can_still_be_refunded_and_mails_nobody(shop, workers):
    order_id = shop.confirmed(email=ADA)
    shop.ask("ship", order_id)
    shop.deliver()
    workers(ADA, *WHY, "--yes")
    shop.mailer.sent.clear()

    shop.ask("refund", order_id, "it is broken")
    shop.deliver()

    assert shop.order(order_id)["state"]["S"] == "refunded"
    assert shop.row("payment", f"payment#{order_id}")["state"]["S"] == "refunded"
    assert shop.mailer.sent == []
    kept = shop.row("notification", f"sent#refund-notice-{order_id}")
    assert kept["reason"]["S"] == "address erased"
    assert differences(shop, order_id) == []
    assert naming(shop, ADA) == set()


def test_a_redelivered_event_repeats_its_outcome_without_the_customer(shop, workers):
    order_id = shop.confirmed(email=ADA)
    event_id = shop.order(order_id)["correlationId"]["S"]
    store = DynamoStore(shop.dynamodb, shop.table("payment"))
    (before,) = store.recall(f"order-api#{event_id}").outcomes
    workers(ADA, *WHY, "--yes")

    (after,) = store.recall(f"order-api#{event_id}").outcomes

    assert after.body == before.body.replace(ADA, ERASED)
    assert after.attributes == before.attributes


def test_an_erased_event_is_signed_again_but_no_forged_one(shop, workers, monkeypatch):
    order_id = shop.confirmed(email=ADA)
    key = f"inbox#order-api#{shop.order(order_id)['correlationId']['S']}"
    (body,) = outcomes(shop, key)
    forged = body.replace("24.60", "0.01")
    write_outcomes(shop, key, [SIGNING.sign(body), SIGNING.sign(body).replace("24.60", "0.01")])

    assert "set SIGNING, SIGNING_KEYS" in workers(ADA, *WHY, "--yes", code=2)
    assert ADA in outcomes(shop, key)[0]
    monkeypatch.setenv("SIGNING", "require")
    monkeypatch.setenv("SIGNING_KEY_ID", "2026")
    monkeypatch.setenv("SIGNING_KEYS", json.dumps(KEYS))
    workers(ADA, *WHY, "--yes")

    erased, left = outcomes(shop, key)
    assert erased == SIGNING.sign(without_customer(body))
    assert left.startswith(without_customer(forged)[:-1])
    with pytest.raises(WrongSignature):
        SIGNING.verify(left)


def outcomes(shop, key):
    return [each["S"] for each in shop.row("payment", key)["outcomes"]["L"]]


def write_outcomes(shop, key, bodies):
    shop.dynamodb.update_item(
        TableName=shop.table("payment"),
        Key={"pk": {"S": key}},
        UpdateExpression="SET outcomes = :bodies",
        ExpressionAttributeValues={":bodies": {"L": [{"S": body} for body in bodies]}},
    )


def test_a_customer_is_erased_by_the_id(shop, workers):
    order_id = shop.place(email=ADA, customer_id="cus_1")
    shop.place(email=BOB, customer_id="cus_10")
    shop.deliver()

    found = json.loads(workers("--customer-id", "cus_1", *WHY, "--yes", "--json"))

    assert found["orders"] == [order_id]
    assert naming(shop, ADA) == naming(shop, '"cus_1"') == naming(shop, '\\"cus_1\\"') == set()
    assert BOB in everything(shop)["orders"]
    assert '"cus_10"' in everything(shop)["orders"]


def test_an_event_that_waits_in_the_outbox_is_left_for_a_later_run(shop, workers):
    order_id = shop.place(email=ADA)
    event_id = shop.order(order_id)["correlationId"]["S"]
    row = shop.row("orders", f"outbox#{event_id}")
    waits = {"outboxShard": {"S": "0"}, "outboxOrder": {"S": "2026"}}
    shop.dynamodb.put_item(TableName=shop.table("orders"), Item=row | waits)

    found = json.loads(workers(ADA, *WHY, "--yes", "--json"))

    assert found["in_progress"] == 2  # the order, and its event
    assert shop.row("orders", f"outbox#{event_id}") == row | waits
    assert "in progress: run this again" in workers(ADA, *WHY)


def test_an_order_that_changes_meanwhile_is_erased_with_the_change(shop, workers, monkeypatch):
    order_id = shop.confirmed(email=ADA)
    find = erase.find

    def late(dynamodb, table, customer):
        found = list(find(dynamodb, table, customer))
        if table == shop.table("orders"):
            shop.ask("ship", order_id)
        return found

    monkeypatch.setattr(erase, "find", late)
    workers(ADA, *WHY, "--yes")

    order = shop.order(order_id)
    assert (order["state"]["S"], order["customerEmail"]["S"]) == ("shipped", ERASED)
    assert order["history"]["L"][-1]["M"]["eventType"]["S"] == "order.shipped"


def test_an_erasure_is_on_record_without_the_address(shop, workers):
    shop.confirmed(email=ADA)
    workers(ADA, *WHY, "--yes")

    result = CliRunner().invoke(cli.build(), ("audit", "orders", "--json"))

    (kept,) = json.loads(result.stdout)
    assert (kept["action"], kept["reason"], kept["count"]) == (
        "customer erase",
        "request 4711",
        6,
    )
    assert "ada" not in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [(), (ADA, "--customer-id", "cus_1"), ("nobody",), (ERASED,), (ADA, "--yes")],
)
def test_wrong_usage_changes_nothing(workers, arguments):
    workers(*arguments, code=2)


def test_an_address_is_found_as_earlier_versions_stored_it():
    values = Customer(email="ada@xn--bcher-kva.de").condition["ExpressionAttributeValues"].values()

    assert {each["S"] for each in values} >= {"ada@bücher.de", "ada@xn--bcher-kva.de"}


def test_an_event_keeps_every_other_byte():
    body = (
        '{"eventType":"order.cancelled","data":{"customerEmail":"a\\"b@c","customerId": "x",'
        '"paymentMethod":"pm_1","amount":24.60,"future":{"n":1.0},"reason":"I \\"moved\\""}}'
    )
    assert without_customer(body) == (
        f'{{"eventType":"order.cancelled","data":{{"customerEmail":"{ERASED}","customerId": null,'
        '"paymentMethod":null,"amount":24.60,"future":{"n":1.0},"reason":"erased"}}'
    )
    kept = '{"eventType":"order.cancelled","data":{"reason":"the payment failed"}}'
    assert without_customer(kept) == kept
    declined = '{"eventType":"payment.failed","data":{"reason":"the card was declined"}}'
    assert without_customer(declined) == declined
