"""An item in buckets is one item: nothing is oversold, lost or reported twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.buckets import Warehouse

from workers.events import InventoryFailed, InventoryLow, InventoryReserved
from workers.runtime.errors import Conflict
from workers.services.picking import pick

BUCKETS = 4


@pytest.fixture
def sale():
    """100 units of tea in four buckets; the item is low at 9."""
    warehouse = Warehouse({"tea": 100, "mug": 5}, threshold=9)
    warehouse.do("spread", "tea", BUCKETS)
    return warehouse


def first(sale):
    return sale.rows["stock#tea"]


def side(sale):
    return [row for key, row in sorted(sale.rows.items()) if key.startswith("bucket#")]


def test_a_split_spreads_the_units_and_keeps_some_out_for_the_warning(sale):
    assert first(sale) == {
        "available": 23,
        "reserved": 0,
        "reorderThreshold": 9,
        "buckets": 4,
        "kept": 10,
        "layout": 1,
    }
    assert [row["available"] for row in side(sale)] == [23, 22, 22]
    sale.check()


def test_reservations_come_from_different_buckets(sale):
    for n in range(20):
        sale.do("reserve", f"order-{n}", {"tea": 1})

    assert all(row["reserved"] for row in (first(sale), *side(sale)))
    sale.check()


def test_a_release_goes_back_to_the_bucket_it_came_from(sale):
    before = sale.rows
    for n in range(20):
        sale.do("reserve", f"order-{n}", {"tea": 1 + n % 3})
    for n in range(20):
        sale.do("release", f"order-{n}")

    assert sale.rows == before


def test_a_shipment_leaves_the_bucket_it_came_from(sale):
    for n in range(20):
        sale.do("reserve", f"order-{n}", {"tea": 1})
        sale.do("ship", f"order-{n}")

    assert [row["reserved"] for row in (first(sale), *side(sale))] == [0] * BUCKETS
    sale.check()


def test_an_order_larger_than_any_bucket_collects_from_several(sale):
    sale.do("reserve", "big", {"tea": 60})

    assert sale.told(InventoryReserved)
    assert sale.stock["tea"].available == 40
    sale.do("release", "big")
    assert sale.stock["tea"].available == 100
    sale.check()


def test_the_last_pieces_are_found_wherever_they_are(sale):
    for n in range(100):
        sale.do("reserve", f"order-{n}", {"tea": 1})
    sale.do("reserve", "late", {"tea": 1})

    assert len(sale.told(InventoryReserved)) == 100
    (failed,) = sale.told(InventoryFailed)
    assert failed.shortages[0].available == 0
    sale.check()


def test_orders_that_meet_sell_every_unit_once(sale):
    for n in range(150):
        sale.reserve(f"order-{n}", {"tea": 1})
    sale.finish_all()

    assert len(sale.told(InventoryReserved)) == 100
    assert len(sale.told(InventoryFailed)) == 50
    assert len(sale.told(InventoryLow)) == 1
    sale.check()


@pytest.mark.parametrize("buckets", [1, 2])
def test_a_merge_between_reading_and_taking_starts_the_order_again(sale, buckets):
    for n in range(8):
        sale.reserve(f"order-{n}", {"tea": 20})
    sale.spread("tea", buckets)
    sale.finish(8)
    sale.finish_all()

    assert len(sale.told(InventoryReserved)) == 5
    assert len(sale.told(InventoryLow)) == 1
    sale.check()


@pytest.mark.parametrize(
    "move", [("spread", "tea", 2), ("reserve", "order-0", {"tea": 95})], ids=["operator", "order"]
)
def test_an_order_that_reads_while_units_are_moved_starts_again(sale, move):
    """An operator moves units, and so does the order that needs the kept ones."""

    class Between:
        """Reads the first row, then lets the units be moved, then reads the rest."""

        def __init__(self, tx):
            self.tx, self.key = tx, tx.key

        def get(self, key, **named):
            if key.startswith("bucket#"):
                sale.do(*move)
            return self.tx.get(key, **named)

    with pytest.raises(Conflict):
        pick("tea", 90, Between(sale.store.begin("order-1")), lambda n: n - 1)


def test_units_are_added_to_a_single_row_whatever_orders_do_meanwhile():
    sale = Warehouse({"tea": 3}, threshold=9)
    sale.adjust("tea", 40)
    sale.do_first("reserve", "order-1", {"tea": 2})
    sale.finish(0)

    assert not sale.under_way
    assert sale.stock["tea"].available == 41
    sale.check()


def test_a_release_while_the_kept_units_are_taken_takes_the_report_back(sale):
    sale.do("reserve", "order-1", {"tea": 50})
    sale.reserve("order-2", {"tea": 45})
    sale.do_first("release", "order-1")
    sale.finish_all()

    assert not sale.told(InventoryLow)
    assert sale.stock["tea"].available == 55


def test_an_order_that_chose_the_first_bucket_before_a_merge_still_reports():
    sale = Warehouse({"tea": 100}, threshold=9, choose=lambda _n: 0)
    sale.do("spread", "tea", BUCKETS)
    sale.reserve("order-1", {"tea": 20})
    sale.do_first("spread", "tea", 1)
    sale.do_first("reserve", "order-2", {"tea": 75})
    sale.finish_all()

    (low,) = sale.told(InventoryLow)
    assert low.items[0].available == 5


def test_kept_units_are_not_put_into_a_bucket_that_was_merged_meanwhile():
    sale = Warehouse({"tea": 4}, threshold=3)
    sale.do("spread", "tea", 3)
    sale.reserve("order-1", {"tea": 1})
    sale.do_first("spread", "tea", 2)
    sale.finish_all()

    assert first(sale)["buckets"] == 2
    assert sale.rows["bucket#2#tea"]["available"] == 0
    sale.check()


def test_a_release_after_a_merge_starts_again(sale):
    for n in range(8):
        sale.do("reserve", f"order-{n}", {"tea": 2})
    for n in range(8):
        sale.release(f"order-{n}")
    sale.do_first("spread", "tea", 1)
    sale.finish_all()

    assert [row["available"] for row in side(sale)] == [0, 0, 0]
    assert first(sale)["available"] == 100
    sale.check()


def test_a_shortage_says_how_many_units_all_buckets_have(sale):
    sale.do("reserve", "huge", {"tea": 101})

    (failed,) = sale.told(InventoryFailed)
    assert failed.shortages[0].available == 100


def test_all_lines_are_reserved_or_none(sale):
    before = sale.rows
    sale.do("reserve", "order-1", {"tea": 60, "mug": 6})

    assert sale.told(InventoryFailed)
    assert sale.rows == before


@pytest.mark.parametrize("quantity", [1, 3, 7])
def test_the_reservation_that_makes_the_item_low_reports_it_once_and_exactly(sale, quantity):
    told_at = None
    for n in range(100 // quantity):
        sale.do("reserve", f"order-{n}", {"tea": quantity})
        if sale.told(InventoryLow) and told_at is None:
            told_at = sale.stock["tea"].available

    (low,) = sale.told(InventoryLow)
    assert low.items[0].available == told_at
    assert 9 - quantity < told_at <= 9
    assert low.items[0].reorder_threshold == 9


def test_units_that_an_operator_adds_arm_the_warning_again(sale):
    sale.do("reserve", "order-1", {"tea": 95})
    sale.do("adjust", "tea", 20)
    sale.do("reserve", "order-2", {"tea": 15})
    sale.do("reserve", "order-3", {"tea": 1})

    assert [low.items[0].available for low in sale.told(InventoryLow)] == [5, 9]
    sale.check()


def test_an_item_that_is_low_already_is_split_without_a_report():
    sale = Warehouse({"tea": 8}, threshold=9)
    sale.do("spread", "tea", BUCKETS)
    sale.do("reserve", "order-1", {"tea": 7})

    assert sale.told(InventoryReserved)
    assert not sale.told(InventoryLow)


@pytest.mark.parametrize("buckets", [1, 2, 3, 8])
def test_reservations_survive_a_merge_and_another_split(sale, buckets):
    for n in range(12):
        sale.do("reserve", f"order-{n}", {"tea": 2})
    sale.do("spread", "tea", buckets)
    sale.check()
    sale.do("spread", "tea", 6)
    for n in range(12, 20):
        sale.do("reserve", f"order-{n}", {"tea": 1})
    for n in range(20):
        sale.do("release" if n % 2 else "ship", f"order-{n}")
        sale.check()
    assert sale.stock["tea"].reserved == 0


def test_a_merged_item_is_an_ordinary_one_again(sale):
    sale.do("spread", "tea", 1)
    sale.do("reserve", "order-1", {"tea": 91}, old=True)

    assert sale.reservation("order-1")["state"] == "reserved"
    assert (first(sale)["available"], first(sale)["kept"]) == (9, 0)


def test_a_row_is_split_while_orders_take_units_out_of_it():
    sale = Warehouse({"tea": 100}, threshold=9)
    sale.spread("tea", BUCKETS)
    sale.reserve("order-1", {"tea": 3})
    sale.finish(1)
    sale.finish(0)  # read before the order, and written after it

    assert not sale.under_way
    assert (sale.stock["tea"].buckets, sale.stock["tea"].available) == (BUCKETS, 97)
    sale.check()


def test_units_are_added_while_orders_take_some(sale):
    sale.adjust("tea", 40, over=BUCKETS)
    assert len(sale.under_way[0][1].writes) == BUCKETS
    for n in range(8):
        sale.do_first("reserve", f"order-{n}", {"tea": 1})
    sale.finish(0)

    assert not sale.under_way
    assert sale.stock["tea"].available == 132
    sale.check()


def test_a_worker_of_the_last_version_sells_the_first_bucket_and_no_more(sale):
    for n in range(30):
        sale.do("reserve", f"order-{n}", {"tea": 1}, old=True)
        sale.check()

    reserved = [n for n in range(30) if sale.reservation(f"order-{n}")["state"] == "reserved"]
    assert len(reserved) == 23
    assert first(sale)["available"] == 0


def test_a_reservation_names_the_buckets_but_the_first(sale):
    sale.do("reserve", "order-1", {"tea": 91})

    reservation = sale.reservation("order-1")
    assert reservation["items"] == [{"sku": "tea", "quantity": 91}]
    assert reservation["buckets"] == [
        {"sku": "tea", "bucket": 1, "quantity": 23},
        {"sku": "tea", "bucket": 2, "quantity": 22},
        {"sku": "tea", "bucket": 3, "quantity": 22},
    ]


def test_a_reservation_names_no_bucket_that_gave_nothing(sale):
    sale.do("reserve", "order-1", {"tea": 90})
    sale.do("reserve", "order-2", {"tea": 10})

    assert "buckets" not in sale.reservation("order-2")


def test_a_split_that_an_order_made_wrong_starts_again():
    sale = Warehouse({"tea": 10}, threshold=9)
    sale.do("reserve", "order-1", {"tea": 4})
    sale.spread("tea", BUCKETS)  # low: nothing is to be kept
    sale.do_first("release", "order-1")
    sale.finish_all()

    assert first(sale)["kept"] == 10
    sale.check()


order = st.integers(0, 19)
quantities = st.one_of(
    st.fixed_dictionaries({"tea": st.integers(1, 4)}),
    st.fixed_dictionaries({"tea": st.integers(1, 8), "mug": st.integers(1, 3)}),
)
turns = st.one_of(
    st.tuples(st.just("finish"), st.integers(0, 20)),
    st.tuples(st.just("lose_reply"), st.integers(0, 20)),
    st.tuples(st.just("crash"), st.integers(0, 20)),
)
sales = st.tuples(st.just("reserve"), order, quantities)
splits = st.tuples(
    st.just("spread"), st.sampled_from(["tea", "mug"]), st.sampled_from([1, 2, 3, 5])
)
returns = st.tuples(st.sampled_from(["release", "ship"]), order)
counts = st.one_of(
    st.tuples(st.just("set"), st.just("tea"), st.integers(0, 20)),
    st.tuples(st.just("adjust"), st.just("tea"), st.integers(-5, 12)),
)
stocks = st.fixed_dictionaries({"tea": st.integers(0, 24), "mug": st.integers(0, 9)})
thresholds = st.integers(0, 6)


def steps(*kinds):
    """Rounds: in each, some things begin before the first one of them is finished."""
    rounds = st.tuples(
        st.lists(st.one_of(*kinds), min_size=1, max_size=8), st.lists(turns, max_size=8)
    )
    return st.lists(rounds, min_size=1, max_size=6).map(
        lambda them: [step for begun, ended in them for step in (*begun, *ended)]
    )


def play(warehouse, steps, *, old=(), rows=True):
    """Take the steps. An order that is placed twice is one that was delivered twice."""
    placed = {}
    for number, (act, which, *rest) in enumerate(steps):
        named = {"old": True} if number in old else {}
        if act == "reserve":
            items = placed.setdefault(which, *rest)
            warehouse.reserve(f"order-{which}", items, **named)
        elif act in ("release", "ship"):
            getattr(warehouse, act)(f"order-{which}", **named)
        else:
            getattr(warehouse, act)(which, *rest)
    warehouse.check(rows=rows)
    warehouse.finish_all()
    warehouse.check(rows=rows)


@settings(max_examples=100)
@given(
    stock=stocks,
    threshold=thresholds,
    steps=steps(sales, sales, sales, splits, returns, counts),
    seed=st.integers(0, 3),
)
def test_units_are_conserved_and_never_negative_however_changes_meet(stock, threshold, steps, seed):
    warehouse = Warehouse(stock, threshold, seed)
    warehouse.do("spread", "tea", 3)
    play(warehouse, steps)

    left = {sku: each.available for sku, each in warehouse.stock.items() if each.available}
    if left:
        warehouse.do("reserve", "everything", left)  # the last pieces are found
        assert warehouse.reservation("everything")["state"] == "reserved"
    warehouse.do("reserve", "nothing", {"tea": 1, "mug": 1})
    assert warehouse.reservation("nothing")["state"] == "failed"
    warehouse.check()


@settings(max_examples=100)
@given(
    stock=stocks,
    threshold=thresholds,
    steps=steps(sales, sales, sales, splits),
    seed=st.integers(0, 3),
)
def test_an_item_that_becomes_low_is_reported_once(stock, threshold, steps, seed):
    warehouse = Warehouse(stock, threshold, seed)
    warehouse.do("spread", "tea", 3)
    play(warehouse, steps)

    told = [item.sku for low in warehouse.told(InventoryLow) for item in low.items]
    became = [
        sku for sku, each in warehouse.stock.items() if stock[sku] > threshold >= each.available
    ]
    assert sorted(told) == sorted(became)


@settings(max_examples=40)
@given(
    stock=stocks,
    steps=steps(sales, sales, returns),
    old=st.sets(st.integers(0, 39)),
)
def test_beside_workers_of_the_last_version_nothing_is_oversold_or_lost(stock, steps, old):
    warehouse = Warehouse(stock, 5)
    warehouse.do("spread", "tea", 3)
    play(warehouse, steps, old=old, rows=False)
