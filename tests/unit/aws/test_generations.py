"""Each generation has its own inbox and its own counters."""

from contextlib import suppress

import pytest
from support.fakes import FakeStore
from support.fakes.clock import FakeClock

from workers.aws.generations import REFRESH, CurrentScope, GenerationalStore, scope_of
from workers.runtime.errors import Unavailable
from workers.runtime.ports import Handling


class Table:
    """Answers with the generation that is in use."""

    def __init__(self):
        self.current = None
        self.reads = 0

    def get_item(self, **_):
        self.reads += 1
        return {} if self.current is None else {"Item": {"current": {"N": str(self.current)}}}


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def scope(table, clock):
    return CurrentScope(table, "analytics", clock)


def handle(store, key):
    """Handle an event: count one."""
    transaction = store.begin(key)
    transaction.add("hour#1", {"order.created": 1})
    return store.commit(transaction, [])


def test_a_table_that_was_never_rebuilt_has_the_keys_of_before(scope):
    inner = FakeStore()
    handle(GenerationalStore(inner, scope), "order-api#1")
    assert scope() == ""
    assert inner.recall("order-api#1") is not None
    assert inner.begin("other").get("hour#1") == {"order.created": 1}


def test_an_event_counts_once_in_each_generation(table, clock, scope):
    inner = FakeStore()
    store = GenerationalStore(inner, scope)
    for current in (0, 1, 2):
        table.current = current
        clock.advance(REFRESH)
        assert store.recall("order-api#1") is None
        assert not handle(store, "order-api#1").repeated
        assert handle(store, "order-api#1").repeated
        assert store.recall("order-api#1") is not None
        assert store.begin("other").get("hour#1") == {"order.created": 1}


def test_a_worker_notices_a_switch_within_two_seconds_and_asks_no_more_often(table, clock, scope):
    assert scope() == ""
    table.current = 3
    clock.advance(REFRESH - 0.1)
    assert (scope(), table.reads) == ("", 1)
    clock.advance(0.1)
    assert (scope(), table.reads) == (scope_of(3), 2)


def test_without_an_answer_nothing_is_counted_anywhere(table, clock):
    def refuse(**_):
        raise Unavailable("no", dependency="dynamodb")

    scope = CurrentScope(table, "analytics", clock)
    assert scope() == ""
    clock.advance(REFRESH)
    table.get_item = refuse
    inner = FakeStore()
    with suppress(Unavailable):
        handle(GenerationalStore(inner, scope), "order-api#1")
    assert inner.recall("order-api#1") is None


def test_a_transaction_of_another_store_is_refused(scope):
    inner = FakeStore()
    with pytest.raises(TypeError, match="another store"):
        GenerationalStore(inner, scope).commit(inner.begin("order-api#1"), [])


def count(store, *keys):
    """Handle events together: count them."""
    handlings = {key: Handling(key, 1, 1.0, 2.0, "worker-1", "1") for key in keys}
    transaction = store.begin_together(handlings, guard=lambda: None)
    transaction.add("hour#1", {"order.created": len(keys)})
    return store.commit_together(transaction)


def test_a_batch_is_in_one_generation_and_counts_once_in_each(table, clock, scope):
    inner = FakeStore()
    store = GenerationalStore(inner, scope)
    for current in (0, 2):
        table.current = current
        clock.advance(REFRESH)
        handle(store, "order-api#2")  # or a rebuild was first
        assert count(store, "order-api#1", "order-api#2") == {"order-api#2"}
        assert count(store, "order-api#1", "order-api#3") == frozenset()
        assert store.begin("other").get("hour#1") == {"order.created": 3}
    assert inner.records.keys() == {
        scope_of(generation) + key
        for generation in (0, 2)
        for key in ("order-api#1", "order-api#2", "order-api#3")
    }


def test_a_batch_that_began_before_a_switch_stays_in_its_generation(table, clock, scope):
    inner = FakeStore()
    store = GenerationalStore(inner, scope)
    handling = Handling("message-1", 1, 1.0, 2.0, "worker-1", "1")
    transaction = store.begin_together({"order-api#1": handling}, guard=lambda: None)
    table.current = 1
    clock.advance(REFRESH)
    transaction.add("hour#1", {"order.created": 1})

    assert store.commit_together(transaction) == frozenset()

    assert (inner.records.keys(), inner.documents.keys()) == ({"order-api#1"}, {"hour#1"})
