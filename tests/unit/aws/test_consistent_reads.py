"""Every read of a table is strongly consistent.

A stale inbox row would lead to a second handling, and a stale document to a needless conflict.
"""

import json

import pytest
from support.adapter_calls import recall

from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.simulated_gateway import SimulatedGateway
from workers.ops.stock import list_stock

READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}
# An index is never consistent, and a transaction always is.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
WITHOUT = "IndexName"


def read(clients):
    DynamoStore(clients.dynamodb(), "payment").begin("order-api#1").get("order#1")


def read_although_it_may_be_created(clients):
    store = DynamoStore(clients.dynamodb(), "payment")
    store.begin("order-api#1").get("order#1", creating=True)


def attempts(clients):
    DynamoStore(clients.dynamodb(), "payment").attempts("message-1")


def whose_shard(clients):
    OutboxLeases(clients.dynamodb(), "orders").look(0)


def shelves(clients):
    list_stock(clients.dynamodb(), "inventory")


def audit(clients):
    list(SimulatedGateway(clients.dynamodb(), "payment").ledger())


def commit_where_the_row_is_there(clients):
    """The cancellation does not contain the row, so the adapter reads it."""
    store = DynamoStore(clients.dynamodb(), "payment")
    store.commit(store.begin("order-api#1"), ())


EVERY_READ = [
    recall,
    read,
    read_although_it_may_be_created,
    attempts,
    whose_shard,
    shelves,
    audit,
]


@pytest.fixture
def reads(connected):
    """Return the parameters of every read that was sent."""
    asked = []

    def note(params, model, **_):
        if model.name in READS:
            asked.append((model.name, params))

    events = connected.dynamodb().meta.events
    events.register("provide-client-params.dynamodb", note)
    yield asked
    events.unregister("provide-client-params.dynamodb", note)


@pytest.mark.parametrize("call", EVERY_READ)
def test_a_read_is_consistent(reads, stub, connected, call):
    stub.body = b'{"Items": []}' if call in (audit, shelves) else b"{}"

    call(connected)

    assert reads
    assert all(params.get("ConsistentRead") is True for _, params in reads)


def test_the_read_of_a_conflicting_inbox_row_is_consistent(reads, stub, connected):
    stub.status = 400
    stub.body = json.dumps(
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
        }
    ).encode()

    with pytest.raises(Exception, match="dynamodb"):  # the stub refuses the read, too
        commit_where_the_row_is_there(connected)

    ((name, params),) = reads
    assert (name, params["ConsistentRead"]) == ("GetItem", True)


def test_only_the_outbox_index_is_read_eventually_consistent(reads, stub, connected):
    stub.body = b'{"Items": [], "Count": 0}'
    outbox = Outbox(connected.dynamodb(), "orders")

    outbox.oldest(0)
    outbox.stuck_count()

    assert [name for name, _ in reads] == ["Query", "Query"]
    assert all(WITHOUT in params for _, params in reads)
