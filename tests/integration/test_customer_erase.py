"""A customer is erased from every row, and the books of the orders agree as before."""

import json

import pytest
from support.builders import an_envelope, an_order
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.addresses import ERASED
from workers.api.callers import OPERATE, READ, WRITE, Caller
from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_document
from workers.events import Simulation
from workers.ops import customer_rows
from workers.ops.books import Library
from workers.ops.customer_rows import Customer, Row, find_events
from workers.ops.erase import without_customer
from workers.ops.reconcile_rules import differences_of
from workers.runtime.payloads import EXPIRY_DAYS
from workers.services.order import THE_OWNER, Order
from workers.settings import Settings
from workers.signing import Signing, WrongSignature

pytestmark = pytest.mark.integration

ADA = "ada@example.com"
BOB = "bob@example.com"
SUBJECT = "auth0|5f7c8ec7c33c6c004bbafe82"
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


def test_nothing_is_erased_if_the_key_of_a_signature_is_missing(shop, workers, monkeypatch):
    order_id = shop.confirmed(email=ADA)
    key = f"inbox#order-api#{shop.order(order_id)['correlationId']['S']}"
    (body,) = outcomes(shop, key)
    write_outcomes(shop, key, [Signing({"2025": "o" * 32}, "2025").sign(body)])
    before = everything(shop)
    monkeypatch.setenv("SIGNING", "require")
    monkeypatch.setenv("SIGNING_KEY_ID", "2026")
    monkeypatch.setenv("SIGNING_KEYS", json.dumps(KEYS))

    assert "SIGNING_KEYS lacks the key 2025" in workers(ADA, *WHY, "--yes", code=2)

    assert everything(shop) == before


def test_the_bucket_of_large_events_is_out_of_reach_for_as_long_as_it_keeps_them(workers):
    (place,) = [
        each
        for each in json.loads(workers(ADA, "--json"))["out_of_reach"]
        if "large events" in each["where"]
    ]

    assert place["until"].startswith(f"{EXPIRY_DAYS} days")


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


def who(shop, order_id):
    """Return the owner of an order, and who asked for each of its steps."""
    order = shop.order(order_id)
    asked = [entry["M"].get("by", {}).get("S") for entry in order["history"]["L"]]
    return order["owner"], [by for by in asked if by]


@pytest.mark.parametrize("find", [(ADA,), ("--customer-id", SUBJECT)], ids=["address", "subject"])
def test_no_row_has_the_owner_of_an_erased_order(shop, workers, find):
    order_id = shop.confirmed(email=ADA, customer_id="cus_1", owner=SUBJECT, by=SUBJECT)
    shop.ask("ship", order_id, by="back-office")
    shop.deliver()
    assert naming(shop, SUBJECT) == {"orders"}

    workers(*find, *WHY, "--yes")

    assert naming(shop, SUBJECT) == naming(shop, ADA) == naming(shop, "cus_1") == set()
    assert who(shop, order_id) == ({"NULL": True}, [THE_OWNER, "back-office"])
    assert differences(shop, order_id) == []
    for again in ((ADA,), ("--customer-id", SUBJECT), ("--customer-id", "cus_1")):
        assert json.loads(workers(*again, "--json"))["rows"] == {}


def test_whoever_asked_under_the_address_or_the_id_is_erased_too(shop, workers):
    order_id = shop.confirmed(email=ADA, customer_id="cus_1", owner="cus_1", by=ADA)
    shop.ask("ship", order_id, by="cus_1")
    shop.deliver()

    workers(ADA, *WHY, "--yes")

    assert who(shop, order_id) == ({"NULL": True}, [THE_OWNER, THE_OWNER])


def test_an_erased_order_is_for_operators_alone(shop, workers):
    order_id = shop.confirmed(email=ADA, owner=SUBJECT, by=SUBJECT)
    workers(ADA, *WHY, "--yes")

    owner = Order.of(to_document(shop.order(order_id))).owner

    assert Caller("back-office", frozenset({OPERATE})).reaches(owner)
    for subject in (SUBJECT, "None", ""):
        assert not Caller(subject, frozenset({READ, WRITE})).reaches(owner)


def test_the_events_of_a_subject_are_erased_and_others_at_the_same_address_stay(shop, workers):
    """The events of an order have the address, but not the owner."""
    mine = shop.confirmed(email=ADA, owner=SUBJECT, by=SUBJECT)
    other = shop.confirmed(email=ADA, owner="auth0|other", by="auth0|other")

    found = json.loads(workers("--customer-id", SUBJECT, *WHY, "--yes", "--json"))

    assert found["orders"] == [mine]
    assert found["rows"] == {"order": 1, "outbox": 1, "inbox": 4}
    about = [
        json.dumps(row)
        for table in ("orders", "payment", "inventory")
        for row in shop.dynamodb.scan(TableName=shop.table(table))["Items"]
        if ADA in json.dumps(row)
    ]
    assert len(about) == 6
    assert all(other in row and mine not in row for row in about)


def test_orders_that_belong_to_an_address_are_found_by_it(shop, workers):
    order_id = shop.confirmed(email=BOB, owner=ADA, by=ADA)

    found = json.loads(workers(ADA, *WHY, "--yes", "--json"))

    assert found["orders"] == [order_id]
    assert naming(shop, ADA) == naming(shop, BOB) == set()


@pytest.mark.parametrize(
    ("owner", "find"),
    [(SUBJECT, ("--customer-id", SUBJECT)), (ADA, (ADA,))],
    ids=["subject", "address"],
)
def test_an_order_in_progress_is_found_by_its_owner_until_its_events_are_erased(
    shop, workers, owner, find
):
    order_id = shop.place(email=BOB, owner=owner, by=owner)

    first = json.loads(workers(*find, *WHY, "--yes", "--json"))
    shop.deliver()
    second = json.loads(workers(*find, *WHY, "--yes", "--json"))

    assert (first["in_progress"], second["in_progress"]) == (1, 0)
    assert first["orders"] == second["orders"] == [order_id]
    assert naming(shop, BOB) == naming(shop, owner) == set()


def test_an_order_that_an_earlier_version_erased_is_found_by_its_owner(shop, workers):
    mine = shop.confirmed(email=ADA, owner=SUBJECT, by=SUBJECT)
    shop.confirmed(email=BOB)
    for address in (ADA, BOB):
        workers(address, *WHY, "--yes")
    shop.change("orders", f"order#{mine}", owner=SUBJECT)

    found = json.loads(workers("--customer-id", SUBJECT, *WHY, "--yes", "--json"))

    assert (found["orders"], found["rows"]) == ([mine], {"order": 1})
    assert naming(shop, SUBJECT) == set()


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
    find_orders = customer_rows.find_orders

    def late(dynamodb, table, customer):
        found = find_orders(dynamodb, table, customer)
        shop.ask("ship", order_id)
        return found

    monkeypatch.setattr(customer_rows, "find_orders", late)
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


def test_an_address_is_found_as_earlier_versions_stored_it(shop, workers):
    """They stored the domain as it was typed."""
    order_id = shop.confirmed(email="ada@b\u00fccher.de")

    found = json.loads(workers("ada@b\u00fccher.de", *WHY, "--yes", "--json"))

    assert found["orders"] == [order_id]
    assert naming(shop, "cher.de") == set()


@pytest.mark.parametrize("orders", [0, 1, 19, 20, 100])
def test_the_events_of_many_addresses_are_found_within_the_limits_of_an_expression(orders):
    """The embedded DynamoDB does not check them: 4 KB and 300 operators or functions."""
    found = [
        Row("orders", {"pk": {"S": f"order#{n}"}, "customerEmail": {"S": f"{n}@example.com"}})
        for n in range(orders)
    ]
    events = [
        {
            "pk": {"S": f"outbox#{n}"},
            "body": {"S": an_envelope(an_order(order_id=f"{n}")).encode()},
        }
        for n in range(200)
    ]
    stub = Scanned(events)

    rows = list(find_events(stub, "payment", Customer(customer_id="auth0|1"), found))

    assert [row.key for row in rows] == [f"outbox#{n}" for n in range(orders)]
    (request,) = stub.requests
    expression = request["FilterExpression"]
    assert len(expression.encode()) <= 4_096
    assert expression.count("(") + expression.count(" OR ") <= 300


class Scanned:
    """A DynamoDB client that filters nothing."""

    def __init__(self, items):
        self.items = items
        self.requests = []

    def scan(self, **request):
        self.requests.append(request)
        return {"Items": self.items, "ScannedCount": len(self.items)}


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
