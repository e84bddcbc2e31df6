"""The code reads the events of every earlier version. Golden files are added, never edited."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import create_model

from workers.envelope import Decoder, Envelope
from workers.events import (
    CATALOGUE,
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
    Simulation,
    decode,
)

GOLDEN = Path(__file__).parent / "golden"  # of version 1.0; later versions are in folders
FIRST_ID = "3f0a1c52-6f0e-4c7e-9d55-0b6a3d1f2e10"

CUSTOMER = {"order_id": "order-7f3a", "customer_email": "grace@example.com"}
MONEY = {"amount": Decimal("31.60"), "currency": "EUR"}
LINES = (Line(sku="TEA-GREEN-250", quantity=2), Line(sku="cup.blue", quantity=1))
EVENTS = {
    event.type: event
    for event in (
        OrderCreated(
            **CUSTOMER,
            items=(
                PricedLine(sku="TEA-GREEN-250", quantity=2, price=Decimal("12.30")),
                PricedLine(sku="cup.blue", quantity=1, price=Decimal("7.00")),
            ),
            total_amount=Decimal("31.60"),
            currency="EUR",
            simulation=Simulation(
                payment_outcome="approved",
                inventory_outcome="reserved",
                technical_failure="payment",
            ),
        ),
        OrderCancelled(**CUSTOMER, reason="not everything is in stock"),
        OrderRefunded(**CUSTOMER, reason="Die Tasse hat einen Sprung – schade."),  # noqa: RUF001 - deliberately not ASCII
        OrderShipped(**CUSTOMER, tracking_number="1Z999AA10123456784"),
        OrderConfirmed(**CUSTOMER, total_amount=Decimal("31.60"), currency="EUR"),
        PaymentCompleted(**CUSTOMER, **MONEY, payment_id="pay_5Hx81"),
        PaymentFailed(**CUSTOMER, **MONEY, reason="the card was declined"),
        PaymentRefunded(**CUSTOMER, **MONEY, payment_id="pay_5Hx81"),
        InventoryReserved(**CUSTOMER, items=LINES),
        InventoryFailed(**CUSTOMER, shortages=(Shortage(sku="cup.blue", quantity=1, available=0),)),
        InventoryReleased(**CUSTOMER, items=LINES),
        InventoryLow(
            order_id="order-7f3a",
            items=(LowStock(sku="TEA-GREEN-250", available=8, reorder_threshold=10),),
        ),
    )
}

# What version 1.1 added; events without a file of that version did not change.
SECOND = "1.1"
ADDED = {"customer_id": "cus_NffrFeUfNV2Hib"}
ADDED_TO_ORDERS = ADDED | {"payment_method": "pm_1MqLiJLkdIwHu7ixUEgbFdYF"}
CHANGED = sorted(path.stem for path in (GOLDEN / SECOND).iterdir())

# The fields that version 1.0 required. A later field must have a default, so these lists
# never grow.
ENVELOPE = "eventId eventType eventVersion source occurredAt correlationId data"
REQUIRED = {
    "order.created": "orderId customerEmail items totalAmount currency",
    "order.cancelled": "orderId customerEmail reason",
    "order.refunded": "orderId customerEmail reason",
    "order.shipped": "orderId customerEmail",
    "order.confirmed": "orderId customerEmail totalAmount currency",
    "payment.completed": "orderId customerEmail paymentId amount currency",
    "payment.failed": "orderId customerEmail amount currency reason",
    "payment.refunded": "orderId customerEmail paymentId amount currency",
    "inventory.reserved": "orderId customerEmail items",
    "inventory.failed": "orderId customerEmail shortages",
    "inventory.released": "orderId customerEmail items",
    "inventory.low": "orderId items",
}


def golden(kind, version="."):
    return (GOLDEN / version / f"{kind}.json").read_text("utf-8")


def only(fields, names):
    return {name: fields[name] for name in names.split()}


def test_every_event_in_the_catalogue_has_a_golden_file():
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(CATALOGUE)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_golden_event_is_read(kind):
    envelope = decode(golden(kind))

    assert envelope.data == EVENTS[kind]
    assert (envelope.event_type, envelope.event_version) == (kind, "1.0")
    assert envelope.correlation_id == FIRST_ID


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_golden_event_is_written_without_loss(kind):
    assert json.loads(decode(golden(kind)).encode()) == json.loads(golden(kind))


@pytest.mark.parametrize("kind", CHANGED)
def test_a_golden_event_of_version_1_1_is_read_and_written_without_loss(kind):
    envelope = decode(golden(kind, SECOND))

    added = ADDED_TO_ORDERS if kind == "order.created" else ADDED
    assert envelope.data == EVENTS[kind].model_copy(update=added)
    assert envelope.event_version == SECOND
    assert json.loads(envelope.encode()) == json.loads(golden(kind, SECOND))


@pytest.mark.parametrize("kind", CHANGED)
def test_a_consumer_of_the_previous_version_ignores_what_it_does_not_know(kind):
    """It reads the same event as from the file of its own version."""

    before = create_model(
        "Before",
        __base__=Event,
        **{
            name: (field.annotation, field)
            for name, field in CATALOGUE[kind].model_fields.items()
            if name not in ADDED_TO_ORDERS
        },
    )
    previous = Decoder({kind: before})

    newer = previous.decode(golden(kind, SECOND)).data

    assert newer == previous.decode(golden(kind)).data
    assert not newer.model_dump().keys() & ADDED_TO_ORDERS.keys()


@pytest.mark.parametrize("kind", CATALOGUE)
def test_no_field_was_added_without_a_default(kind):
    fields = json.loads(golden(kind))
    smallest = only(fields, ENVELOPE) | {"data": only(fields["data"], REQUIRED[kind])}

    assert isinstance(decode(json.dumps(smallest)).data, CATALOGUE[kind])


def test_the_whole_envelope_is_read():
    assert decode(golden("payment.completed")) == Envelope[Event](
        event_id="00000005-0000-4000-8000-000000000000",
        event_type="payment.completed",
        event_version="1.0",
        source="payment",
        occurred_at=datetime(2025, 3, 1, 9, 30, 1, 500_000, tzinfo=UTC),
        correlation_id=FIRST_ID,
        causation_id=FIRST_ID,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        data=EVENTS["payment.completed"],
    )
