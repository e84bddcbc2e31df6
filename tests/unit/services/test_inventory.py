"""All lines of an order are reserved or none; nothing is oversold or released twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import (
    a_cancellation,
    a_line,
    a_release,
    a_reservation,
    a_shipment,
    a_shortage,
    an_order,
    low_stock,
)

from workers.events import (
    MAX_QUANTITY,
    InventoryFailed,
    InventoryLow,
    InventoryReserved,
    Line,
    LowStock,
    Shortage,
    Simulation,
)
from workers.runtime.errors import TransientError
from workers.services.inventory import Inventory


@pytest.fixture
def inventory(on_stage):
    return on_stage(Inventory())


def stock(available, threshold=0, reserved=0):
    return {"available": available, "reserved": reserved, "reorderThreshold": threshold}


def test_a_reservation_moves_stock_from_available_to_reserved(inventory):
    inventory.seed("stock#tea", stock(10))

    assert inventory.handle(an_order()) == (a_reservation(),)
    assert inventory.document("stock#tea") == stock(8, reserved=2)


def test_a_line_without_enough_stock_fails_the_whole_order(inventory):
    inventory.seed("stock#tea", stock(10))
    inventory.seed("stock#cup", stock(1))
    order = an_order(items=(a_line("tea"), a_line("cup", quantity=3)))

    assert inventory.handle(order) == (
        a_shortage(shortages=(Shortage(sku="cup", quantity=3, available=1),)),
    )
    assert inventory.document("stock#tea") == stock(10)


def test_an_unknown_item_is_out_of_stock(inventory):
    assert inventory.handle(an_order()) == (
        a_shortage(shortages=(Shortage(sku="tea", quantity=2, available=0),)),
    )


def test_lines_with_the_same_item_are_summed(inventory):
    inventory.seed("stock#tea", stock(5))
    twice = (a_line(quantity=2), a_line(quantity=3))

    inventory.handle(an_order(items=twice))

    assert inventory.document("stock#tea") == stock(0, reserved=5)


def test_lines_that_exceed_the_stock_only_together_are_all_named(inventory):
    inventory.seed("stock#tea", stock(4))
    twice = (a_line(quantity=2), a_line(quantity=3))

    (failed,) = inventory.handle(an_order(items=twice))

    assert [short.quantity for short in failed.shortages] == [2, 3]


def test_lines_with_the_same_item_may_sum_to_more_than_one_line_allows(inventory):
    inventory.seed("stock#tea", stock(2 * MAX_QUANTITY))
    order = an_order(items=(a_line(quantity=MAX_QUANTITY), a_line(quantity=MAX_QUANTITY)))

    reserved, _ = inventory.handle(order)
    (released,) = inventory.handle(a_cancellation())

    assert reserved.items == released.items
    assert inventory.document("stock#tea") == stock(2 * MAX_QUANTITY)


@pytest.mark.parametrize("available", [10, 1])
def test_a_second_event_of_the_same_order_gets_the_same_answer(inventory, available):
    inventory.seed("stock#tea", stock(available))
    answer = inventory.handle(an_order())
    after = inventory.document("stock#tea")

    assert inventory.handle(an_order()) == answer
    assert inventory.document("stock#tea") == after


def test_a_failed_order_stays_failed_when_stock_arrives(inventory):
    answer = inventory.handle(an_order())
    inventory.seed("stock#tea", stock(10))

    assert inventory.handle(an_order()) == answer


def test_a_cancellation_releases_once(inventory):
    inventory.seed("stock#tea", stock(10))
    inventory.handle(an_order())

    assert inventory.handle(a_cancellation()) == (a_release(),)
    assert inventory.handle(a_cancellation()) == ()
    assert inventory.document("stock#tea") == stock(10)


def test_a_shipment_takes_the_reserved_units_out_of_the_stock_once(inventory):
    inventory.seed("stock#tea", stock(10))
    inventory.handle(an_order())

    assert inventory.handle(a_shipment()) == ()
    assert inventory.handle(a_shipment()) == ()
    assert inventory.document("stock#tea") == stock(8)
    assert inventory.document("reservation#order-1")["state"] == "shipped"


def test_a_repeated_order_that_has_shipped_gets_the_same_answer_and_reserves_nothing(inventory):
    inventory.seed("stock#tea", stock(10))
    answer = inventory.handle(an_order())
    inventory.handle(a_shipment())

    assert inventory.handle(an_order()) == answer
    assert inventory.handle(a_cancellation()) == ()
    assert inventory.document("stock#tea") == stock(8)


def test_a_shipment_that_overtakes_the_reservation_waits_for_it(inventory):
    inventory.seed("stock#tea", stock(10))
    with pytest.raises(TransientError, match="nothing is reserved"):
        inventory.handle(a_shipment())
    inventory.handle(an_order())
    inventory.handle(a_shipment())

    assert inventory.document("stock#tea") == stock(8)


def test_a_failed_order_has_nothing_to_release(inventory):
    inventory.handle(an_order())

    assert inventory.handle(a_cancellation()) == ()


def test_an_order_cancelled_before_it_arrives_reserves_nothing(inventory):
    inventory.seed("stock#tea", stock(10))

    assert inventory.handle(a_cancellation()) == ()
    assert inventory.handle(an_order()) == ()
    assert inventory.document("stock#tea") == stock(10)


def test_a_released_order_is_not_reserved_again(inventory):
    inventory.seed("stock#tea", stock(10))
    inventory.handle(an_order())
    inventory.handle(a_cancellation())

    assert inventory.handle(an_order()) == ()


def test_a_cancellation_that_overtakes_the_reservation_wins(inventory):
    inventory.seed("stock#tea", stock(10))

    assert inventory.handle_at_once([a_cancellation(), an_order()]) == [(), ()]
    assert inventory.document("stock#tea") == stock(10)


def test_fifty_concurrent_orders_for_the_last_unit_reserve_it_once(inventory):
    inventory.seed("stock#tea", stock(1))
    orders = [an_order(order_id=f"order-{n}", items=(a_line(quantity=1),)) for n in range(50)]

    outcomes = [type(outcomes[0]) for outcomes in inventory.handle_at_once(orders)]

    assert outcomes.count(InventoryReserved) == 1
    assert outcomes.count(InventoryFailed) == 49
    assert inventory.document("stock#tea") == stock(0, reserved=1)


def test_concurrent_orders_with_enough_stock_do_not_conflict(inventory):
    inventory.seed("stock#tea", stock(1000, threshold=100))
    orders = [an_order(order_id=f"order-{n}") for n in range(50)]
    in_flight = [(inventory.store.begin(order.order_id), order) for order in orders]
    for tx, order in in_flight:
        Inventory().reserve(order, tx)

    for tx, _ in in_flight:
        inventory.store.commit(tx, ())  # no Conflict

    assert inventory.document("stock#tea") == stock(900, threshold=100, reserved=100)


@pytest.mark.parametrize(
    ("available", "threshold", "is_told"),
    [
        pytest.param(8, 5, False, id="above before and after"),
        pytest.param(7, 5, True, id="down to the threshold"),
        pytest.param(6, 5, True, id="from above to below"),
        pytest.param(5, 5, False, id="at the threshold before"),
        pytest.param(2, 5, False, id="below before"),
        pytest.param(2, 0, True, id="the last units"),
    ],
)
def test_operations_are_told_of_the_reservation_that_crosses_the_threshold(
    inventory, available, threshold, is_told
):
    inventory.seed("stock#tea", stock(available, threshold))
    left = LowStock(sku="tea", available=available - 2, reorder_threshold=threshold)
    warning = (low_stock(items=(left,)),) if is_told else ()

    assert inventory.handle(an_order()) == (a_reservation(), *warning)


def test_after_a_release_a_reservation_can_cross_the_threshold_again(inventory):
    inventory.seed("stock#tea", stock(7, 5))
    inventory.handle(an_order())
    second = an_order(order_id="order-2")

    _, outcomes = inventory.handle_at_once([a_cancellation(), second])

    assert [type(outcome) for outcome in outcomes] == [InventoryReserved, InventoryLow]


def test_one_warning_names_every_item_that_runs_low(inventory):
    inventory.seed("stock#tea", stock(6, 5))
    inventory.seed("stock#cup", stock(100, 5))
    inventory.seed("stock#pot", stock(7, 5))
    order = an_order(items=(a_line("tea"), a_line("cup"), a_line("pot")))

    _, low = inventory.handle(order)

    assert [item.sku for item in low.items] == ["tea", "pot"]


@given(
    available=st.integers(0, 30),
    threshold=st.integers(0, 30),
    quantities=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    cancelled=st.sets(st.integers(0, 11)),
)
def test_stock_is_conserved_and_the_warning_is_sent_once(
    on_stage, available, threshold, quantities, cancelled
):
    inventory = on_stage(Inventory())
    inventory.seed("stock#tea", stock(available, threshold))
    orders = [
        an_order(order_id=f"order-{n}", items=(a_line(quantity=quantity),))
        for n, quantity in enumerate(quantities)
    ]

    results = inventory.handle_at_once(orders)

    taken = sum(q for q, r in zip(quantities, results, strict=True) if _is(r, InventoryReserved))
    assert taken <= available
    assert inventory.document("stock#tea") == stock(available - taken, threshold, taken)
    warnings = [result for result in results if _is(result, InventoryLow)]
    assert len(warnings) == (available > threshold >= available - taken)

    inventory.handle_at_once([a_cancellation(order_id=f"order-{n}") for n in cancelled])
    left = sum(
        q
        for n, (q, r) in enumerate(zip(quantities, results, strict=True))
        if _is(r, InventoryReserved) and n not in cancelled
    )
    assert inventory.document("stock#tea") == stock(available - left, threshold, left)


def _is(outcomes, kind):
    return any(isinstance(outcome, kind) for outcome in outcomes)


def test_a_simulated_shortage_takes_no_stock(on_stage):
    inventory = on_stage(Inventory(allow_simulation=True))
    inventory.seed("stock#tea", stock(10))
    order = an_order(simulation=Simulation(inventory_outcome="out_of_stock"))

    assert inventory.handle(order) == (
        a_shortage(shortages=(Shortage(sku="tea", quantity=2, available=0),)),
    )
    assert inventory.document("stock#tea") == stock(10)


def test_a_simulated_failure_is_transient(on_stage):
    order = an_order(simulation=Simulation(technical_failure="inventory"))

    with pytest.raises(TransientError, match="inventory is broken"):
        on_stage(Inventory(allow_simulation=True)).handle(order)


@pytest.mark.parametrize(
    "simulation",
    [Simulation(inventory_outcome="out_of_stock"), Simulation(technical_failure="inventory")],
)
def test_simulations_are_ignored_where_they_are_not_allowed(inventory, simulation):
    inventory.seed("stock#tea", stock(10))

    assert inventory.handle(an_order(simulation=simulation)) == (a_reservation(),)


def test_an_order_may_have_fifty_items(inventory):
    skus = [f"sku-{n}" for n in range(50)]
    for sku in skus:
        inventory.seed(f"stock#{sku}", stock(10))

    (reserved,) = inventory.handle(an_order(items=tuple(a_line(sku) for sku in skus)))

    assert reserved.items == tuple(Line(sku=sku, quantity=2) for sku in skus)
