"""A change of buckets by an operator is repeated until no order is in its way, and counts once."""

import pytest
from support.fakes import FakeStore

from workers.ops import stock_buckets
from workers.ops.stock_buckets import TRIES, adjust, set_available, spread
from workers.runtime.errors import Conflict
from workers.services.buckets import NotEnough
from workers.services.stock import Stock, listed

BUCKETS = 16


class Sale(FakeStore):
    """A store whose stock rows are so busy that a write of many of them fails."""

    most = 100  # rows that a transaction can write

    def commit(self, transaction, outcomes):
        if sum(key.startswith(("stock#", "bucket#")) for key in transaction.writes) > self.most:
            raise Conflict("TransactionConflict")
        return super().commit(transaction, outcomes)


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(stock_buckets, "LONGEST_WAIT", 0)
    store = Sale()
    store.seed("stock#tea", {"available": 100, "reserved": 0, "reorderThreshold": 9})
    spread(store, "tea", BUCKETS)
    return store


def tea(store):
    return listed(store.documents)[0]


def test_units_are_added_to_fewer_buckets_while_an_item_sells(store):
    store.most = 2
    before, after = adjust(store, "tea", 50)

    assert (before.available, after.available) == (100, 150)
    assert tea(store) == Stock("tea", 150, reorder_threshold=9, buckets=BUCKETS)


def test_some_units_are_taken_out_of_one_bucket_while_an_item_sells(store):
    store.most = 1
    adjust(store, "tea", -5)

    assert tea(store).available == 95


def test_a_change_that_needs_all_buckets_gives_up_and_changes_nothing(store):
    store.most = BUCKETS - 1
    before = store.documents
    for change, advice in (
        (lambda: spread(store, "tea", 4), "Add units with stock adjust, or pause"),
        (lambda: set_available(store, "tea", 7, None), "Add units with stock adjust, or pause"),
        (lambda: adjust(store, "tea", -50), "Pause"),
    ):
        said = rf"orders kept changing tea\. {advice} inventory .*: workers pause inventory"
        with pytest.raises(Conflict, match=said):
            change()
    assert store.documents == before


def test_a_change_is_repeated_after_a_conflict(store):
    store.fail_next("commit", Conflict("an order"), times=TRIES - 1)
    set_available(store, "tea", 7, 3)

    assert tea(store) == Stock("tea", 7, reorder_threshold=3, buckets=BUCKETS)


def test_a_change_whose_answer_was_lost_counts_once(store):
    store.fail_next("commit", Conflict("another attempt is at it"), times=1, lost_reply=True)
    before, after = adjust(store, "tea", 50)

    assert (before.available, after.available) == (100, 150)
    assert tea(store).available == 150


@pytest.mark.parametrize("rows", [1, BUCKETS])
def test_units_that_were_taken_without_an_answer_are_not_missed(store, rows):
    spread(store, "tea", rows)
    store.fail_next("commit", Conflict("another attempt is at it"), lost_reply=True)
    before, after = adjust(store, "tea", -100)

    assert (before.available, after.available) == (100, 0)
    assert tea(store).available == 0


def test_no_more_units_are_taken_away_than_there_are(store):
    with pytest.raises(NotEnough, match="100 available, cannot take 101"):
        adjust(store, "tea", -101)
