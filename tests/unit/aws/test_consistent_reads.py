"""Every read of a table sees what was committed before it.

A stale answer to "was this handled?" handles it twice; a stale document loses its last change
only to the condition on its version, for a conflict that is none.
"""

import json

import pytest
from support.every_call import recall

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
    """The cancellation does not show the row, so it is asked for."""
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
    """Give the parameters of every read that was sent."""
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


def test_so_is_the_look_at_an_inbox_row_that_was_in_the_way(reads, stub, connected):
    stub.status = 400
    stub.body = json.dumps(
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "CancellationReasons": [{"Code": "ConditionalCheckFailed"}],
        }
    ).encode()

    with pytest.raises(Exception, match="dynamodb"):  # the stub says the same to the read
        commit_where_the_row_is_there(connected)

    ((name, params),) = reads
    assert (name, params["ConsistentRead"]) == ("GetItem", True)


def test_only_the_index_of_the_outbox_is_read_as_it_may_be(reads, stub, connected):
    stub.body = b'{"Items": [], "Count": 0}'
    outbox = Outbox(connected.dynamodb(), "orders")

    outbox.oldest(0)
    outbox.stuck_count()

    assert [name for name, _ in reads] == ["Query", "Query"]
    assert all(WITHOUT in params for _, params in reads)
