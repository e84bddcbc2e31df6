"""A handler's signature is its contract."""

from collections.abc import Sequence

import pytest
from support.builders import (
    a_cancellation,
    a_decline,
    a_payment,
    a_refund_request,
    a_reservation,
    an_order,
    low_stock,
)
from support.fakes import FakeStore

from workers.events import (
    Event,
    InventoryLow,
    InventoryReserved,
    OrderCancelled,
    OrderCreated,
    OrderRefunded,
    PaymentCompleted,
    PaymentFailed,
)
from workers.runtime.handler import Handlers, handles, handles_batch
from workers.runtime.ports import Transaction


class Shop:
    answer = None

    @handles
    def created(
        self, order: OrderCreated, tx: Transaction
    ) -> PaymentCompleted | tuple[InventoryReserved, InventoryLow] | PaymentFailed | None:
        tx.get(order.order_id)
        return self.answer

    @handles
    def ended(self, order: OrderCancelled | OrderRefunded, tx: Transaction) -> None:
        tx.get(order.order_id)

    def unmarked(self, number: int) -> int:
        return number


@pytest.fixture
def tx():
    return FakeStore().begin("key")


def test_the_signature_declares_the_events_consumed_and_published():
    handlers = Handlers(Shop())

    assert handlers.consumes == {"order.created", "order.cancelled", "order.refunded"}
    assert handlers.publishes == {
        "payment.completed",
        "payment.failed",
        "inventory.reserved",
        "inventory.low",
    }


@pytest.mark.parametrize("event", [a_cancellation(), a_refund_request()])
def test_each_event_of_a_union_has_a_route(event, tx):
    handlers = Handlers(Shop())

    assert handlers.route(event).consumes is type(event)
    assert handlers.handle(event, tx) == ()


def test_an_event_without_a_handler_has_no_route():
    assert Handlers(Shop()).route(low_stock()) is None


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (None, ()),
        (a_payment(), (a_payment(),)),
        ((a_reservation(), low_stock()), (a_reservation(), low_stock())),
    ],
)
def test_outcomes_are_returned_as_a_tuple(answer, outcomes, tx):
    shop = Shop()
    shop.answer = answer

    assert Handlers(shop).handle(an_order(), tx) == outcomes


@pytest.mark.parametrize("answer", [a_cancellation(), (a_decline(), an_order()), "declined"])
def test_an_outcome_that_the_signature_does_not_declare_is_refused(answer, tx):
    shop = Shop()
    shop.answer = answer

    with pytest.raises(TypeError, match=r"handler of order\.created returned"):
        Handlers(shop).handle(an_order(), tx)


def a_service(handler):
    return type("Shop", (), {"handler": handles(handler)})()


def no_event(self, tx: Transaction) -> None: ...
def no_transaction(self, order: OrderCreated) -> None: ...
def swapped(self, tx: Transaction, order: OrderCreated) -> None: ...
def one_too_many(self, order: OrderCreated, tx: Transaction, retries: int) -> None: ...
def no_annotation(self, order, tx: Transaction) -> None: ...
def no_outcome(self, order: OrderCreated, tx: Transaction): ...
def text_in(self, order: str, tx: Transaction) -> None: ...
def optional_in(self, order: OrderCreated | None, tx: Transaction) -> None: ...
def tuple_in(self, order: tuple[OrderCreated, OrderCancelled], tx: Transaction) -> None: ...
def any_event_in(self, order: Event, tx: Transaction) -> None: ...
def text_out(self, order: OrderCreated, tx: Transaction) -> str: ...
def list_out(self, order: OrderCreated, tx: Transaction) -> list[PaymentCompleted]: ...
def any_event_out(self, order: OrderCreated, tx: Transaction) -> Event: ...


@pytest.mark.parametrize(
    "handler",
    [
        no_event,
        no_transaction,
        swapped,
        one_too_many,
        no_annotation,
        no_outcome,
        text_in,
        optional_in,
        tuple_in,
        any_event_in,
        text_out,
        list_out,
        any_event_out,
    ],
)
def test_an_invalid_signature_is_refused_with_the_name_of_its_method(handler):
    with pytest.raises(TypeError, match=r"Shop\.handler: "):
        Handlers(a_service(handler))


def test_two_handlers_for_one_type_are_refused():
    class Twice:
        @handles
        def one(self, order: OrderCreated, tx: Transaction) -> None: ...

        @handles
        def two(self, order: OrderCancelled | OrderCreated, tx: Transaction) -> None: ...

    with pytest.raises(TypeError, match=r"Twice: two handlers for order\.created"):
        Handlers(Twice())


class Counter:
    """Takes several events at once, in two handlers."""

    def __init__(self):
        self.calls = []

    @handles_batch
    def orders(self, events: Sequence[OrderCreated | OrderCancelled], _: Transaction) -> None:
        self.calls.append(list(events))

    @handles_batch
    def payments(self, events: Sequence[PaymentCompleted], _: Transaction) -> None:
        self.calls.append(list(events))

    @handles
    def refund(self, event: OrderRefunded, tx: Transaction) -> None: ...


def test_each_batch_handler_gets_all_of_its_events(tx):
    service = Counter()
    events = [an_order(), a_payment(), a_cancellation(), an_order()]

    Handlers(service).handle_together(events, tx)

    assert service.calls == [[events[0], events[2], events[3]], [events[1]]]


def test_a_batch_handler_gets_a_single_event_as_a_batch_of_one(tx):
    service = Counter()

    assert Handlers(service).handle(a_payment(), tx) == ()

    assert service.calls == [[a_payment()]]


def test_only_the_events_of_batch_handlers_are_handled_together():
    handlers = Handlers(Counter())

    assert handlers.takes_together(an_order())
    assert not handlers.takes_together(a_refund_request())
    assert not handlers.takes_together(low_stock())
    assert (handlers.has_batches, Handlers(Shop()).has_batches) == (True, False)
    assert handlers.consumes == {
        "order.created",
        "order.cancelled",
        "order.refunded",
        "payment.completed",
    }
    assert handlers.publishes == frozenset()


def batch_of_one(self, order: OrderCreated, tx: Transaction) -> None: ...
def batch_in_a_list(self, orders: list[OrderCreated], tx: Transaction) -> None: ...
def batch_of_text(self, texts: Sequence[str], tx: Transaction) -> None: ...
def batch_of_anything(self, orders: Sequence, tx: Transaction) -> None: ...
def batch_with_outcome(
    self, orders: Sequence[OrderCreated], tx: Transaction
) -> PaymentCompleted: ...


@pytest.mark.parametrize(
    "handler",
    [batch_of_one, batch_in_a_list, batch_of_text, batch_of_anything, batch_with_outcome],
)
def test_an_invalid_signature_of_a_batch_is_refused(handler):
    service = type("Shop", (), {"handler": handles_batch(handler)})()

    with pytest.raises(TypeError, match=r"Shop\.handler: "):
        Handlers(service)
