"""During a deploy, versions that run side by side read each other's rows.

``golden/rows/N`` holds version N of the rows, one file per table, in DynamoDB's JSON. Golden files
are never edited: a change to the rows adds a version (``rows.py`` writes it). The code must read
every version for as long as such a row may exist.
"""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from support.builders import a_cancellation, an_order, low_stock
from support.fakes import FakeAllowance, FakeGateway, FakeMailer, FakeStore
from support.rows import NOON, TABLES, Rows

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_document
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import Held, OutboxLeases
from workers.aws.outbox_rows import SHARDS
from workers.envelope import ATTRIBUTES
from workers.events import (
    InventoryFailed,
    InventoryReleased,
    InventoryReserved,
    PaymentCompleted,
    PaymentFailed,
    decode,
)
from workers.ops.failures import failures_of
from workers.services.analytics import merge
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.order import Order
from workers.services.payment import Payment
from workers.services.stock import Stock, look

GOLDEN = Path(__file__).parent / "golden/rows"
VERSIONS = sorted(int(path.name) for path in GOLDEN.iterdir())
BEFORE, NOW = VERSIONS[-2:]
GONE = {"sent#order-received-order-1"}  # a mail that is no longer sent


def golden(version, table):
    return json.loads((GOLDEN / str(version) / f"{table}.json").read_text("utf-8"))


class Stored:
    """A DynamoDB client that reads the rows of a file."""

    def __init__(self, version, table):
        self.rows = {item["pk"]["S"]: item for item in golden(version, table)}

    def get_item(self, Key, **_):  # noqa: N803 - the SDK's names
        return {"Item": self.rows[Key["pk"]["S"]]}

    def query(self, ExpressionAttributeValues, **_):  # noqa: N803
        shard = ExpressionAttributeValues[":shard"]
        return {"Items": [r for r in self.rows.values() if r.get("outboxShard") == shard]}

    def of(self, kind):
        """Return the rows of a kind by the rest of their keys."""
        found = {key.partition("#")[::2]: row for key, row in self.rows.items()}
        return {rest: row for (prefix, rest), row in found.items() if prefix == kind}

    def documents(self):
        """Return a store with the table's documents."""
        store = FakeStore()
        for key, row in self.rows.items():
            if not key.startswith(
                ("inbox#", "outbox#", "lease#", "attempts#", "failures#", "mails#")
            ):
                store.seed(key, to_document(row))
        return store


@pytest.fixture(params=VERSIONS)
def stored(request):
    return lambda table: Stored(request.param, table)


@pytest.mark.integration
def test_this_version_writes_the_rows_of_the_newest_files(provisioned):
    dynamodb = Clients.connect(provisioned, threads=1).dynamodb()

    written = Rows(dynamodb, provisioned.name_prefix).written()

    assert written == {table: golden(NOW, table) for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_every_attribute_of_the_previous_version_exists_with_its_type(table):
    now = Stored(NOW, table).rows
    before = Stored(BEFORE, table).rows
    for key in before.keys() - GONE:
        row = before[key]
        assert {name: list(value) for name, value in row.items()}.items() <= {
            name: list(value) for name, value in now[key].items()
        }.items()


@pytest.mark.parametrize("table", TABLES)
def test_an_inbox_row_gives_its_outcomes_byte_for_byte(stored, table):
    client = stored(table)
    rows = client.of("inbox")
    assert rows
    for key, row in rows.items():
        record = DynamoStore(client, table).recall(key)

        texts = [text["S"] for text in row["outcomes"]["L"]]
        assert [event.body for event in record.outcomes] == texts
        assert [event.attributes["eventType"] for event in record.outcomes] == [
            decode(text).event_type for text in texts
        ]
        assert record.fingerprint == row["fingerprint"]["S"]


def test_failed_attempts_are_read():
    """The first version of the rows that has them is the fourth."""
    for version in VERSIONS[VERSIONS.index(4) :]:
        log = failures_of(Stored(version, "payment"), "payment", "order-api#event-9")

        assert log.about.fields() == {
            "eventType": "order.created",
            "eventId": "event-9",
            "correlationId": "event-1",
            "orderId": "order-9",
            "source": "order-api",
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        }
        assert [(a.receive_count, a.type, a.frame) for a in log.attempts] == [
            (1, "worker_ended", ""),
            (2, "ValueError", "workers.services.payment:Payment.charge"),
        ]


def test_a_waiting_row_gives_its_event_and_attributes_byte_for_byte(stored):
    client = stored("orders")
    outbox = Outbox(client, "orders")

    rows = [row for shard in range(outbox.SHARDS) for row in outbox.waiting(shard, 10)]

    (row,) = rows
    assert (row.event_id, row.problem) == ("event-1", "")
    assert row.event.body == client.rows["outbox#event-1"]["body"]["S"]
    assert row.event.attributes.keys() == set(ATTRIBUTES)
    assert outbox.oldest(row_shard(client)) == NOON


def row_shard(client):
    return int(client.rows["outbox#event-1"]["outboxShard"]["S"])


def test_the_lease_of_a_shard_is_read(stored):
    leases = OutboxLeases(stored("orders"), "orders")

    assert [leases.look(shard) for shard in range(SHARDS)] == [
        Held(f"relay-{shard}", fence=1) for shard in range(SHARDS)
    ]


def test_orders_are_read_whole(stored):
    orders = stored("orders").of("order")

    assert orders.keys() == {"order-1", "order-2", "order-early"}
    for row in orders.values():
        document = to_document(row)
        assert Order.of(document).document() == _with_later_fields(document)


def _with_later_fields(document):
    later = {"eventId": None, "reason": None, "by": None}
    history = [later | entry for entry in document["history"]]
    return {"customerId": None, "owner": None, "paymentId": None} | document | {"history": history}


def test_stored_payments_are_recognized(stored):
    store = stored("payment").documents()

    def charge(order_id):
        tx = store.begin("repeat")
        return Payment(FakeGateway()).charge(an_order(order_id=order_id), tx)

    assert isinstance(charge("order-1"), PaymentCompleted)
    assert isinstance(charge("order-2"), PaymentFailed)
    assert (charge("order-3"), charge("order-4")) == (None, None)


def test_stored_reservations_and_stock_are_recognized(stored):
    store = stored("inventory").documents()

    def reserve(order_id):
        return Inventory().reserve(an_order(order_id=order_id), store.begin("repeat"))

    assert isinstance(reserve("order-1"), InventoryReserved)
    assert isinstance(reserve("order-2"), InventoryFailed)
    assert (reserve("order-3"), reserve("order-4")) == (None, None)
    released = Inventory().release(a_cancellation(), store.begin("release"))
    assert isinstance(released, InventoryReleased)
    assert look("tea", store.begin("look")).stock == Stock(
        "tea", available=3, reserved=2, reorder_threshold=3
    )


def test_a_reservation_out_of_buckets_goes_back_to_them():
    """The first version of the rows that has them is the seventh."""
    for version in VERSIONS[VERSIONS.index(7) :]:
        store = Stored(version, "inventory").documents()
        before = look("mug", store.begin("look")).stock
        tx = store.begin("release")
        Inventory().release(a_cancellation(order_id="order-6"), tx)
        store.commit(tx, ())

        rows = look("mug", store.begin("look"))
        assert before == Stock("mug", available=4, reserved=4, reorder_threshold=3, buckets=2)
        assert rows.stock == Stock("mug", available=8, reorder_threshold=3, buckets=2)
        assert rows.others[1]["available"] == 1


def test_sent_mails_are_not_sent_again(stored):
    store, mailer = stored("notification").documents(), FakeMailer()
    service = Notification(mailer, FakeAllowance(), "operations@example.com", lambda: NOON)

    service.notify_operations(low_stock(), store.begin("repeat"))

    assert mailer.sent == []


def test_counters_are_read(stored):
    documents = stored("analytics").documents().documents.values()

    assert merge(documents) == {
        "order.created": 1,
        "payment.completed": 1,
        "revenue.EUR": Decimal("24.60"),
    }
