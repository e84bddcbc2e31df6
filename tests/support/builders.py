"""Builds values for tests: pass the fields that matter, and get defaults for the others."""

from datetime import UTC, datetime
from decimal import Decimal

from workers.envelope import Encoded, Envelope
from workers.events import (
    Event,
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    Line,
    LowStock,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PricedLine,
    Shortage,
)
from workers.runtime.ports import Message

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
# The time of events that workers handle by the real clock: they refuse events of months ago.
THIS_RUN = datetime.now(UTC)

_ORDER = {"order_id": "order-1"}
_CUSTOMER = _ORDER | {"customer_email": "ada@example.com"}
_MONEY = {"amount": Decimal("24.60"), "currency": "EUR"}
_PAYMENT = _CUSTOMER | _MONEY | {"payment_id": "pay-1"}


def a_line(sku="tea", quantity=2, price="12.30"):
    return PricedLine(sku=sku, quantity=quantity, price=Decimal(price))


def an_order(**changes) -> OrderCreated:
    """Build an order; its total is the sum of its lines."""
    items = changes.get("items", (a_line(),))
    total = sum((line.price * line.quantity for line in items), Decimal(0))
    return OrderCreated(
        **(_CUSTOMER | {"items": items, "total_amount": total, "currency": "EUR"} | changes)
    )


def a_cancellation(**changes) -> OrderCancelled:
    return OrderCancelled(**(_CUSTOMER | {"reason": "changed my mind"} | changes))


def a_refund_request(**changes) -> OrderRefunded:
    return OrderRefunded(**(_CUSTOMER | {"reason": "it is broken"} | changes))


def a_shipment(**changes) -> OrderShipped:
    return OrderShipped(**(_CUSTOMER | {"tracking_number": "track-1"} | changes))


def a_confirmation(**changes) -> OrderConfirmed:
    money = {"total_amount": _MONEY["amount"], "currency": "EUR"}
    return OrderConfirmed(**(_CUSTOMER | money | changes))


def a_payment(**changes) -> PaymentCompleted:
    return PaymentCompleted(**(_PAYMENT | changes))


def a_decline(**changes) -> PaymentFailed:
    return PaymentFailed(**(_CUSTOMER | _MONEY | {"reason": "the card was declined"} | changes))


def a_refund(**changes) -> PaymentRefunded:
    return PaymentRefunded(**(_PAYMENT | changes))


def a_reservation(**changes) -> InventoryReserved:
    return InventoryReserved(**(_CUSTOMER | {"items": (Line(sku="tea", quantity=2),)} | changes))


def a_shortage(**changes) -> InventoryFailed:
    short = (Shortage(sku="tea", quantity=2, available=1),)
    return InventoryFailed(**(_CUSTOMER | {"shortages": short} | changes))


def a_release(**changes) -> InventoryReleased:
    return InventoryReleased(**(_CUSTOMER | {"items": (Line(sku="tea", quantity=2),)} | changes))


def low_stock(**changes) -> InventoryLow:
    items = (LowStock(sku="tea", available=3, reorder_threshold=5),)
    return InventoryLow(**(_ORDER | {"items": items} | changes))


def an_envelope(event=None, **changes) -> Envelope[Event]:
    """Wrap an event in an envelope, like its publisher."""
    event = event or an_order()
    fields = {
        "event_id": "event-1",
        "event_type": event.type,
        "source": _publisher(event),
        "occurred_at": NOON,
        "correlation_id": "event-1",
        "data": event,
    }
    return Envelope[Event](**(fields | changes))


def encoded(event=None, **changes) -> Encoded:
    """Return the encoded envelope of an event."""
    return Encoded.of(an_envelope(event, **changes))


def a_message(content=None, receive_count=1, **changes) -> Message:
    """Build a message with an envelope or any other body."""
    body = content if isinstance(content, str) else (content or an_envelope()).encode()
    message_id = changes.pop("id", "message-1")
    fields = {
        "id": message_id,
        "body": body,
        "receipt_handle": f"{message_id}/{receive_count}",
        "receive_count": receive_count,
        "sent_at": NOON.timestamp(),
    }
    return Message(**(fields | changes))


def _publisher(event: Event) -> str:
    if event.type == "order.confirmed":
        return "orders"
    service = event.type.partition(".")[0]
    return "order-api" if service == "order" else service
