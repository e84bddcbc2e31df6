"""Goods and money add up, whatever customers request and in whatever order events arrive.

Every service has its own store. Published events wait until the test delivers them.
"""

from collections import Counter
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_cancellation, a_line, a_refund_request
from support.fakes import FakeAllowance, FakeClock, FakeGateway, FakeMailer, FakeStore

from workers.runtime.handler import Handlers
from workers.services.inventory import Inventory
from workers.services.lifecycle import NotAllowed
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment

STOCK = 7
IDS = ("order-0", "order-1", "order-2")
LINES = {
    order_id: a_line(quantity=n + 2) for n, order_id in enumerate(IDS)
}  # 9 ordered, 7 in stock


class Market:
    """order-api's commands, and every service that follows an order."""

    def __init__(self, on_stage):
        clock = FakeClock()
        self.gateway, self.mailer = FakeGateway(), FakeMailer()
        self.commands = OrderCommands(clock.now)
        self.orders = on_stage(Orders(clock.now))
        self.inventory = on_stage(Inventory())
        self.services = [
            self.orders,
            self.inventory,
            on_stage(Payment(self.gateway)),
            on_stage(Notification(self.mailer, FakeAllowance(), "ops@example.com", clock.now)),
        ]
        self.inventory.seed("stock#tea", {"available": STOCK, "reserved": 0, "reorderThreshold": 0})
        self.waiting = []  # (service, event)
        self.delivered = []
        self._requests = 0

    def ask(self, method, order_id, *arguments, **keywords):
        self._requests += 1
        store: FakeStore = self.orders.store
        tx = store.begin(f"request#{self._requests}")
        event = getattr(self.commands, method)(order_id, *arguments, tx=tx, **keywords)
        store.commit(tx, ())
        self.publish(event)
        return event

    def place(self, order_id):
        self.ask(
            "place", order_id, "ada@example.com", [LINES[order_id]], "EUR", correlation_id="event"
        )

    def publish(self, event):
        for stage in self.services:
            if event.type in Handlers(stage.service).consumes:
                self.waiting.append((stage, event))

    def deliver(self, position=0):
        self.delivered.append(self.waiting.pop(position % len(self.waiting)))
        self._handle(self.delivered[-1])

    def repeat(self, position):
        """Deliver an event again under another id, so that no inbox recognizes it."""
        self._handle(self.delivered[position % len(self.delivered)])

    def drain(self):
        while self.waiting:
            self.deliver()

    def _handle(self, delivery):
        stage, event = delivery
        for outcome in stage.handle(event):
            self.publish(outcome)

    def order(self, order_id):
        return self.commands.find(order_id, self.orders.store.begin("reader"))

    @property
    def stock(self):
        stock = self.inventory.document("stock#tea")
        return stock["available"], stock["reserved"]

    @property
    def revenue(self):
        charged = sum((charge.amount for _, charge in self.gateway.charged), Decimal(0))
        return charged - sum((charge.amount for _, charge in self.gateway.refunded), Decimal(0))

    @property
    def mails(self):
        return Counter(mail.reference for mail in self.mailer.sent)


@pytest.fixture
def confirmed(on_stage):
    market = Market(on_stage)
    market.place("order-1")
    market.drain()
    assert market.order("order-1").state == "confirmed"
    return market


def test_a_refund_before_shipping_returns_money_and_stock(confirmed):
    confirmed.ask("refund", "order-1", "found it cheaper")
    confirmed.drain()

    order = confirmed.order("order-1")
    assert (order.state, order.payment, order.inventory) == ("cancelled", "refunded", "released")
    assert (confirmed.stock, confirmed.revenue) == ((STOCK, 0), 0)


def test_a_refund_after_shipping_returns_only_the_money(confirmed):
    confirmed.ask("ship", "order-1", None)
    confirmed.ask("refund", "order-1", "it is broken")
    confirmed.drain()

    order = confirmed.order("order-1")
    assert (order.state, order.payment, order.inventory) == ("refunded", "refunded", "reserved")
    assert (confirmed.stock, confirmed.revenue) == ((STOCK - 3, 0), 0)


def test_a_customer_refunded_before_shipping_gets_one_mail(confirmed):
    before = confirmed.mails
    confirmed.ask("refund", "order-1", "found it cheaper")
    confirmed.drain()

    assert confirmed.mails - before == {"cancellation-confirmation-order-1": 1}


def test_a_customer_refunded_after_shipping_is_told_once(confirmed):
    confirmed.ask("ship", "order-1", None)
    before = confirmed.mails
    confirmed.ask("refund", "order-1", "it is broken")
    confirmed.drain()

    assert confirmed.mails - before == {
        "refund-notice-order-1": 1,
        "shipping-notification-order-1": 1,
    }


def test_an_unshipped_order_refunded_by_the_previous_version_is_left_unchanged(confirmed):
    """That version published order.refunded, which inventory does not consume."""
    key = "order#order-1"
    document = confirmed.orders.document(key)
    confirmed.orders.seed(key, document | {"state": "refunded"})
    confirmed.publish(a_refund_request())
    confirmed.drain()

    assert confirmed.order("order-1").state == "refunded"
    assert (confirmed.stock, confirmed.revenue) == ((STOCK - 3, 3), 0)
    for action in (("cancel", "why"), ("refund", "why"), ("ship", None)):
        with pytest.raises(NotAllowed):
            confirmed.ask(action[0], "order-1", action[1])

    # An operator can publish the missing cancellation by hand.
    confirmed.publish(a_cancellation())
    confirmed.drain()
    order = confirmed.order("order-1")
    assert (order.state, order.payment, order.inventory) == ("refunded", "refunded", "released")
    assert (confirmed.stock, confirmed.revenue) == ((STOCK, 0), 0)


# Without "drain", most orders would be cancelled before they are confirmed.
ACTIONS = ["deliver", "deliver", "drain", "repeat", "cancel", "ship", "refund"]
STEPS = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 30))


@given(steps=st.lists(STEPS, max_size=60))
def test_goods_and_money_add_up_after_any_requests_in_any_order(on_stage, steps):
    market = Market(on_stage)
    for order_id in IDS:
        market.place(order_id)
    for action, number in steps:
        if action == "deliver" and market.waiting:
            market.deliver(number)
        elif action == "drain":
            market.drain()
        elif action == "repeat" and market.delivered:
            market.repeat(number)
        elif action in ("cancel", "ship", "refund"):
            _try(market, action, IDS[number % len(IDS)])
    market.drain()

    orders = [market.order(order_id) for order_id in IDS]
    held = sum(_quantity(o) for o in orders if o.state == "confirmed")
    gone = sum(_quantity(o) for o in orders if _has_shipped(o))
    kept = sum(o.total_amount for o in orders if o.state in ("confirmed", "shipped"))
    assert all(order.state != "pending" for order in orders)
    assert market.stock == (STOCK - held - gone, held)
    assert market.revenue == kept
    cancelled = {o.order_id for o in orders if o.state == "cancelled"}
    assert {
        order_id: market.mails[f"cancellation-confirmation-{order_id}"] for order_id in IDS
    } == {order_id: int(order_id in cancelled) for order_id in IDS}


def _try(market, action, order_id):
    argument = None if action == "ship" else "changed my mind"
    with suppress(NotAllowed):
        market.ask(action, order_id, argument)


def _has_shipped(order):
    return "order.shipped" in {entry.event_type for entry in order.history}


def _quantity(order):
    return sum(line.quantity for line in order.items)
