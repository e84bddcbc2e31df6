"""Effects stay exact when many workers run at once, with DynamoDB's conditions."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.builders import NOON, a_line, a_message, an_envelope, an_order

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.simulated_gateway import SimulatedGateway
from workers.ops.stock import Stock, list_stock, set_stock
from workers.runtime.errors import Conflict
from workers.runtime.handler import Handlers
from workers.runtime.inbox import Inbox
from workers.runtime.leases import Lease
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.payment import Payment

pytestmark = pytest.mark.integration

WORKERS = 10


@pytest.fixture
def dynamodb(provisioned):
    return Clients.connect(provisioned, threads=WORKERS).dynamodb()


def handled(inbox, envelope):
    """Handle a delivery like a worker: after a lasting conflict it is redelivered."""
    for receive_count in range(1, 100):
        message = a_message(envelope, receive_count=receive_count)
        try:
            return inbox.handle(envelope, Lease(message, message.receipt_handle, 0.0, 1e9))
        except Conflict:
            continue
    pytest.fail("conflicts without end")


def at_once(act, things):
    with ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(act, things))


def test_fifty_orders_for_the_last_unit_reserve_it_once(provisioned, dynamodb):
    table = f"{provisioned.name_prefix}inventory"
    set_stock(dynamodb, table, "tea", available=1, reorder_threshold=0)
    inbox = Inbox(
        "inventory",
        store=DynamoStore(dynamodb, table),
        handlers=Handlers(Inventory()),
        clock=NOON.timestamp,
    )
    orders = [
        an_envelope(
            an_order(order_id=f"order-{n}", items=(a_line("tea", quantity=1),)),
            event_id=f"event-{n}",
        )
        for n in range(50)
    ]

    records = at_once(lambda order: handled(inbox, order), orders)

    outcomes = Counter(record.outcomes[0].attributes["eventType"] for record in records)
    assert outcomes == {"inventory.reserved": 1, "inventory.failed": 49}
    assert list_stock(dynamodb, table) == [
        Stock("tea", available=0, reserved=1, reorder_threshold=0)
    ]


def test_ten_deliveries_of_one_event_at_once_charge_once(provisioned, dynamodb):
    table = f"{provisioned.name_prefix}payment"
    gateway = SimulatedGateway(dynamodb, table)
    inbox = Inbox(
        "payment",
        store=DynamoStore(dynamodb, table),
        handlers=Handlers(Payment(gateway)),
        clock=NOON.timestamp,
    )
    order = an_envelope(an_order())

    records = at_once(lambda order: handled(inbox, order), [order] * 10)

    assert [entry.kind for entry in gateway.ledger()] == ["charge"]
    assert len({record.outcomes[0].event_id for record in records}) == 1
    assert sum(not record.repeated for record in records) == 1


def handled_together(inbox, envelopes):
    """Handle a batch like a worker: without those that were handled before."""
    rest = {envelope.key: envelope for envelope in envelopes}
    while rest:
        messages = [(each, a_message(each)) for each in rest.values()]
        batch = [(each, Lease(m, m.receipt_handle, 0.0, 1e9)) for each, m in messages]
        try:
            known = inbox.handle_together(batch)
        except Conflict:
            continue
        rest = {key: rest[key] for key in known ^ rest.keys()} if known else {}


def test_batches_that_overlap_count_each_event_once(provisioned, dynamodb):
    table = f"{provisioned.name_prefix}analytics"
    analytics = Analytics(now=lambda: NOON, choose=lambda _shards: 0)
    inbox = Inbox(
        "analytics",
        store=DynamoStore(dynamodb, table),
        handlers=Handlers(analytics),
        clock=NOON.timestamp,
    )
    events = [an_envelope(an_order(), event_id=f"event-{n}") for n in range(40)]
    batches = [events[start : start + 10] for start in range(0, 35, 5)] * 2

    at_once(lambda batch: handled_together(inbox, batch), batches)

    counted = DynamoStore(dynamodb, table).begin("look").get("hour#2026-01-02T12#0")
    assert counted == {"order.created": 40}
