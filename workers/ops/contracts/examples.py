"""An example of every event in its envelope: one order from its placement to its refund.

Every field has a value, so that readers see each one; deprecated fields too, which are published
until they are removed.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from workers.envelope import Envelope, Event, outcome_id
from workers.events import (
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    Line,
    LowStock,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderEvent,
    OrderRefunded,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PricedLine,
    Shortage,
    Simulation,
)
from workers.ops.contracts.parties import producers
from workers.topology import Topology

_FIRST: Final = "9b2f6a0e-3c41-5d8a-9f57-2b1d70c4e8a6"
_AT: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

_ORDER: Final[dict[str, Any]] = {"order_id": "order-1042"}
_CUSTOMER: Final[dict[str, Any]] = _ORDER | {
    "customer_email": "customer@example.com",
    "customer_id": "customer-7",
}
_TOTAL: Final = Decimal("24.60")
_MONEY: Final[dict[str, Any]] = {"amount": _TOTAL, "currency": "EUR"}
_LINES: Final = (Line(sku="TEA-GREEN-250", quantity=2),)

EXAMPLES: Final[dict[str, OrderEvent]] = {
    event.type: event
    for event in (
        OrderCreated(
            **_CUSTOMER,
            items=(PricedLine(sku="TEA-GREEN-250", quantity=2, price=Decimal("12.30")),),
            total_amount=_TOTAL,
            currency="EUR",
            payment_method="card-token-1",
            simulation=Simulation(
                payment_outcome="approved",
                inventory_outcome="reserved",
                technical_failure="payment",
            ),
        ),
        OrderCancelled(**_CUSTOMER, reason="the customer changed their mind"),
        OrderRefunded(**_CUSTOMER, reason="the parcel arrived damaged"),
        OrderShipped(**_CUSTOMER, tracking_number="1Z999AA10123456784"),
        OrderConfirmed(**_CUSTOMER, total_amount=_TOTAL, currency="EUR"),
        PaymentCompleted(**_CUSTOMER, **_MONEY, payment_id="payment-1042"),
        PaymentFailed(**_CUSTOMER, **_MONEY, reason="the card was declined"),
        PaymentRefunded(**_CUSTOMER, **_MONEY, payment_id="payment-1042"),
        InventoryReserved(**_CUSTOMER, items=_LINES),
        InventoryFailed(
            **_CUSTOMER, shortages=(Shortage(sku="TEA-GREEN-250", quantity=2, available=1),)
        ),
        InventoryReleased(**_CUSTOMER, items=_LINES),
        InventoryLow(
            **_ORDER,
            items=(LowStock(sku="TEA-GREEN-250", available=8, reorder_threshold=10),),
        ),
    )
}


def example_of(event: type[Event], topology: Topology) -> Envelope[Event]:
    """Return an example of an event, as a service on the map publishes it."""
    source = min(producers(topology, event.type))
    first = event is OrderCreated
    return Envelope[Event](
        event_id=_FIRST if first else outcome_id(_FIRST, source, event.type),
        event_type=event.type,
        source=source,
        occurred_at=_AT,
        correlation_id=_FIRST,
        causation_id=None if first else _FIRST,
        traceparent=_TRACE,
        data=EXAMPLES[event.type],
    )
