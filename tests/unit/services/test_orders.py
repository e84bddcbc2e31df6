"""An order reaches the right final state, whatever arrives in whatever order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.builders import (
    a_cancellation,
    a_confirmation,
    a_decline,
    a_line,
    a_payment,
    a_refund,
    a_refund_request,
    a_release,
    a_reservation,
    a_shipment,
    a_shortage,
    an_order,
)
from support.fakes import FakeClock, FakeStore

from workers.events import (
    MAX_AMOUNT,
    MAX_QUANTITY,
    OrderCancelled,
    OrderConfirmed,
    Shortage,
    Simulation,
)
from workers.services.lifecycle import MAX_HISTORY, TRANSITIONS, NotAllowed
from workers.services.orders import OrderCommands, Orders, UnknownOrder

UNPAID = a_cancellation(reason="the payment failed")
OUT_OF_STOCK = a_cancellation(reason="some items are out of stock")
START = FakeClock().now()


class Shop:
    """order-api's commands and the orders service, on one store."""

    def __init__(self, on_stage):
        self.clock = FakeClock()
        self.commands = OrderCommands(self.clock.now)
        self.stage = on_stage(Orders(self.clock.now))
        self.handle = self.stage.handle
        self._requests = 0

    def ask(self, method, *arguments, **keywords):
        self._requests += 1
        store = self.stage.store
        tx = store.begin(f"request#{self._requests}")
        event = getattr(self.commands, method)(*arguments, tx=tx, **keywords)
        store.commit(tx, ())
        return event

    def place(self):
        return self.ask(
            "place", "order-1", "ada@example.com", [a_line()], "EUR", correlation_id="event-1"
        )

    def find(self):
        return self.commands.find("order-1", self.stage.store.begin("reader"))

    def status(self):
        order = self.find()
        return order.state, order.payment, order.inventory

    def history(self):
        return [entry.event_type for entry in self.find().history]


@pytest.fixture
def shop(on_stage):
    return Shop(on_stage)


@pytest.fixture
def placed(shop):
    shop.place()
    return shop


def test_placing_an_order_publishes_it_with_its_total(shop):
    items = [a_line("tea", 2, "12.30"), a_line("cup", 3, "0.05")]

    created = shop.ask(
        "place",
        "order-1",
        "ada@example.com",
        items,
        "EUR",
        correlation_id="event-1",
        simulation=Simulation(payment_outcome="declined"),
    )

    assert created == an_order(
        items=tuple(items),
        total_amount=Decimal("24.75"),
        simulation=Simulation(payment_outcome="declined"),
    )


def test_an_order_is_stored_with_money_and_times_as_text(placed):
    at = "2025-06-15T15:06:40Z"

    assert placed.stage.document("order#order-1") == {
        "orderId": "order-1",
        "customerEmail": "ada@example.com",
        "customerId": None,
        "owner": None,
        "paymentId": None,
        "state": "pending",
        "payment": "pending",
        "inventory": "pending",
        "items": [{"sku": "tea", "quantity": 2, "price": "12.30"}],
        "totalAmount": "24.60",
        "currency": "EUR",
        "correlationId": "event-1",
        "createdAt": at,
        "history": [
            {
                "at": at,
                "eventType": "order.created",
                "eventId": "event-1",
                "reason": None,
                "by": None,
            }
        ],
    }


def test_an_order_knows_the_ids_of_its_own_events_and_the_reasons(placed):
    placed.handle(a_payment(payment_id="pay-7"))
    placed.ask("cancel", "order-1", "changed my mind", event_id="event-2")
    placed.handle(a_shortage())

    order = placed.find()
    assert [(entry.event_type, entry.event_id) for entry in order.history] == [
        ("order.created", "event-1"),
        ("payment.completed", None),
        ("order.cancelled", "event-2"),
        ("inventory.failed", None),
    ]
    assert order.reasons == ("changed my mind", "tea: 2 ordered, 1 available")
    assert order.payment_id == "pay-7"


def test_a_reason_names_five_short_items_and_counts_the_others(placed):
    short = tuple(Shortage(sku=f"item-{n}", quantity=2, available=0) for n in range(7))
    placed.handle(a_shortage(shortages=short))

    (reason, _) = placed.find().reasons
    assert reason.startswith("item-0: 2 ordered, 0 available; item-1:")
    assert reason.endswith("item-4: 2 ordered, 0 available; and 2 more")


def test_an_order_is_found_as_it_was_stored(placed):
    order = placed.find()

    items = [line.model_dump() for line in order.items]
    assert (items, order.total_amount, order.created_at) == (
        [a_line().model_dump()],
        Decimal("24.60"),
        START,
    )


def test_a_total_too_large_for_an_event_is_refused(shop):
    dear = a_line(quantity=MAX_QUANTITY, price=str(MAX_AMOUNT))

    with pytest.raises(ValidationError, match="total_amount"):
        shop.ask("place", "order-1", "ada@example.com", [dear], "EUR", correlation_id="event-1")


def test_an_order_is_placed_once(placed):
    with pytest.raises(NotAllowed, match="cannot place an order that is pending"):
        placed.place()


@pytest.mark.parametrize("order", list(permutations([a_payment(), a_reservation()])))
def test_payment_and_reservation_confirm_an_order(placed, order):
    first, second = order

    assert placed.handle(first) == ()
    assert placed.handle(second) == (a_confirmation(),)
    assert placed.status() == ("confirmed", "completed", "reserved")


@pytest.mark.parametrize(
    ("report", "event", "status"),
    [
        (a_decline(), UNPAID, ("cancelled", "failed", "cancelled")),
        (a_shortage(), OUT_OF_STOCK, ("cancelled", "cancelled", "failed")),
    ],
)
def test_one_failure_cancels_an_order(placed, report, event, status):
    assert placed.handle(report) == (event,)
    assert placed.status() == status


def test_late_events_of_a_cancelled_order_are_only_recorded(placed):
    placed.handle(a_shortage())

    assert placed.handle(a_payment()) == ()
    assert placed.status() == ("cancelled", "completed", "failed")
    assert placed.handle(a_refund()) == ()
    assert placed.status() == ("cancelled", "refunded", "failed")


def test_an_event_older_than_the_current_status_does_not_change_it(placed):
    placed.handle(a_shortage())
    placed.handle(a_refund())

    assert placed.handle(a_payment()) == ()
    assert placed.status() == ("cancelled", "refunded", "failed")


def test_the_history_lists_what_happened_and_when(placed):
    placed.clock.advance(60)
    placed.handle(a_payment())
    placed.handle(a_reservation())

    assert placed.history() == [
        "order.created",
        "payment.completed",
        "inventory.reserved",
        "order.confirmed",
    ]
    assert placed.find().history[-1].at == START + timedelta(seconds=60)


def test_the_history_is_bounded(placed):
    for _ in range(MAX_HISTORY + 1):
        placed.handle(a_payment())

    assert len(placed.find().history) == MAX_HISTORY


def test_events_of_an_unknown_order_create_it(shop):
    assert shop.handle(a_reservation()) == ()
    assert shop.handle(a_payment()) == (a_confirmation(),)
    assert shop.status() == ("confirmed", "completed", "reserved")


def test_a_failure_of_an_unknown_order_cancels_it(shop):
    assert shop.handle(a_shortage()) == (OUT_OF_STOCK,)


REPORTS = [a_payment(), a_decline(), a_refund(), a_reservation(), a_shortage(), a_release()]


@given(
    reports=st.lists(st.sampled_from(REPORTS), max_size=12),
    is_known=st.booleans(),
)
def test_any_events_in_any_order_decide_an_order_at_most_once(on_stage, reports, is_known):
    shop = Shop(on_stage)
    if is_known:
        shop.place()

    decisions = [event for report in reports for event in shop.handle(report)]

    assert len(decisions) <= 1
    if decisions:
        expected = {OrderConfirmed: "confirmed", OrderCancelled: "cancelled"}[type(decisions[0])]
        assert shop.find().state == expected
    assert bool(decisions) == (
        bool({a_decline(), a_refund(), a_shortage(), a_release()} & set(reports))
        or {a_payment(), a_reservation()} <= set(reports)
    )


@pytest.mark.parametrize("reports", list(permutations([a_payment(), a_refund(), a_shortage()])))
def test_the_events_of_a_cancelled_order_end_the_same_in_every_order(placed, reports):
    decisions = [event for report in reports for event in placed.handle(report)]

    assert [type(event) for event in decisions] == [OrderCancelled]
    assert placed.status() == ("cancelled", "refunded", "failed")


def test_a_customer_may_cancel_before_any_other_event(placed):
    wish = a_cancellation()

    assert placed.ask("cancel", "order-1", wish.reason) == wish
    assert placed.status() == ("cancelled", "cancelled", "cancelled")


def test_a_cancelled_order_is_not_cancelled_again_by_later_events(placed):
    placed.ask("cancel", "order-1", "changed my mind")

    assert placed.handle(a_decline()) == ()
    assert placed.handle(a_shortage()) == ()


@pytest.fixture
def confirmed(placed):
    placed.handle(a_payment())
    placed.handle(a_reservation())
    return placed


def test_a_confirmed_order_may_be_cancelled(confirmed):
    confirmed.ask("cancel", "order-1", "changed my mind")

    assert confirmed.status() == ("cancelled", "completed", "reserved")
    confirmed.handle(a_refund())
    confirmed.handle(a_release())
    assert confirmed.status() == ("cancelled", "refunded", "released")


def test_a_confirmed_order_can_be_shipped(confirmed):
    assert confirmed.ask("ship", "order-1", "track-1") == a_shipment()
    assert confirmed.find().state == "shipped"


def test_a_shipped_order_can_be_refunded(confirmed):
    confirmed.ask("ship", "order-1", None)
    wish = a_refund_request()

    assert confirmed.ask("refund", "order-1", wish.reason) == wish
    assert confirmed.handle(a_refund()) == ()
    assert confirmed.status() == ("refunded", "refunded", "reserved")


def test_a_refund_before_shipping_cancels_the_order(confirmed):
    assert confirmed.ask("refund", "order-1", "it is broken") == a_cancellation(
        reason="it is broken"
    )
    confirmed.handle(a_refund())
    confirmed.handle(a_release())
    assert confirmed.status() == ("cancelled", "refunded", "released")


def test_late_events_after_a_refund_before_shipping_change_no_status(confirmed):
    confirmed.ask("refund", "order-1", "it is broken")
    for report in (a_release(), a_refund(), a_payment(), a_reservation()):
        assert confirmed.handle(report) == ()

    assert confirmed.status() == ("cancelled", "refunded", "released")


ASK = {
    "cancel": ("cancel", "order-1", "changed my mind"),
    "ship": ("ship", "order-1", None),
    "refund": ("refund", "order-1", "it is broken"),
}
ROADS = {
    "pending": [],
    "confirmed": [],
    "shipped": ["ship"],
    "cancelled": ["cancel"],
    "refunded": ["ship", "refund"],
}


@pytest.mark.parametrize("action", ASK)
@pytest.mark.parametrize("state", ROADS)
def test_only_the_transitions_in_the_table_are_allowed(placed, state, action):
    if state != "pending":
        placed.handle(a_payment())
        placed.handle(a_reservation())
    for step in ROADS[state]:
        placed.ask(*ASK[step])
    before = placed.find()
    assert before.state == state

    if target := TRANSITIONS.get((state, action)):
        placed.ask(*ASK[action])
        assert placed.find().state == target
    else:
        with pytest.raises(NotAllowed) as refusal:
            placed.ask(*ASK[action])
        assert (refusal.value.state, refusal.value.action) == (state, action)
        assert placed.find() == before


@pytest.mark.parametrize("action", ASK)
def test_an_unknown_order_cannot_be_changed(shop, action):
    with pytest.raises(UnknownOrder, match="order-1"):
        shop.ask(*ASK[action])


def test_a_request_and_an_event_do_not_overwrite_each_other(placed):
    report, wish = (placed.stage.store.begin(name) for name in ("report", "wish"))
    Orders(placed.clock.now).follow(a_payment(), report)
    placed.commands.cancel("order-1", "changed my mind", wish)
    placed.stage.store.commit(wish, ())

    with pytest.raises(Exception, match="changed"):
        placed.stage.store.commit(report, ())


def test_times_are_stored_alike_in_any_time_zone():
    store = FakeStore()
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    tx = store.begin("request")
    OrderCommands(lambda: noon).place(
        "order-1", "ada@example.com", [a_line()], "EUR", tx, correlation_id="event-1"
    )
    store.commit(tx, ())

    assert store.documents["order#order-1"]["createdAt"] == "2026-01-02T12:00:00Z"
