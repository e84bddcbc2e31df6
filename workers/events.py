"""THE LANGUAGE: every event that crosses the topic, on one page.

An event is a fact in the past tense, and a value: two events with the same data are equal.
Fields are only ever added, with a default. A change that old consumers cannot read raises
``MAJOR_VERSION`` of the envelope.

Every string, list and number has a bound; money is ``Decimal`` with a currency, never float.
"""

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

# A transaction holds 100 items: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
# Fifty lines leave room for the inbox row, the reservation and what else a handler writes.
MAX_LINES: Final = 50
MAX_QUANTITY: Final = 10_000
MAX_AMOUNT: Final = Decimal("9999999999.99")

# Characters that SQS refuses, control characters included:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f\ufffe\uffff]+$"

Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Sku = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
# The shape only: order-api has validated the address, and a full check on every delivery would
# cost more than all the rest of decoding. Nothing that could start another mail header passes.
# RFC 5321, 4.5.3.1.3: a forward path of 256 octets, less its angle brackets.
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f,;<>]+@[^\s@\x00-\x1f\x7f,;<>]+$"
    ),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]  # ISO 4217
Amount = Annotated[Decimal, Field(ge=0, le=MAX_AMOUNT, decimal_places=2, allow_inf_nan=False)]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
Count = Annotated[int, Field(ge=0, le=10**12)]


class Value(BaseModel):
    """Data on the wire: camelCase, immutable, strict; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        strict=True,
    )


class Line(Value):
    """So many of one article."""

    sku: Sku
    quantity: Quantity


class PricedLine(Line):
    """A line with the price of one piece."""

    price: Amount


class Shortage(Line):
    """A line that cannot be supplied: ``quantity`` were asked for."""

    available: Count


class LowStock(Value):
    """An article at or below its reorder threshold."""

    sku: Sku
    available: Count
    reorder_threshold: Count


class Simulation(Value):
    """What a demonstration order asks the services to pretend."""

    payment_outcome: Literal["approved", "declined"] | None = None
    inventory_outcome: Literal["reserved", "out_of_stock"] | None = None
    technical_failure: Literal["payment", "inventory", "notification"] | None = None


class Event(Value):
    """What every event has in common: it belongs to the story of one order."""

    type: ClassVar[str]

    order_id: Id


class CustomerEvent(Event):
    """An event that the customer may hear about. The address never reaches a log."""

    customer_email: Email


class OrderCreated(CustomerEvent):
    """A customer placed an order; nothing is charged or reserved yet."""

    type: ClassVar[str] = "order.created"

    items: Annotated[tuple[PricedLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    total_amount: Amount
    currency: Currency
    simulation: Simulation | None = None


class OrderCancelled(CustomerEvent):
    """The order will not be fulfilled: captured money goes back, reserved stock is released."""

    type: ClassVar[str] = "order.cancelled"

    reason: Text


class OrderRefunded(CustomerEvent):
    """The customer is to get the money back and keeps the goods: the order has shipped."""

    type: ClassVar[str] = "order.refunded"

    reason: Text


class OrderShipped(CustomerEvent):
    """The parcel is on its way."""

    type: ClassVar[str] = "order.shipped"

    tracking_number: Id | None = None


class OrderConfirmed(CustomerEvent):
    """Money and stock are both secured."""

    type: ClassVar[str] = "order.confirmed"

    total_amount: Amount
    currency: Currency


class PaymentCompleted(CustomerEvent):
    """The money is ours."""

    type: ClassVar[str] = "payment.completed"

    payment_id: Id
    amount: Amount
    currency: Currency


class PaymentFailed(CustomerEvent):
    """The issuer said no. A business outcome, not an error."""

    type: ClassVar[str] = "payment.failed"

    amount: Amount
    currency: Currency
    reason: Text


class PaymentRefunded(CustomerEvent):
    """The money went back."""

    type: ClassVar[str] = "payment.refunded"

    payment_id: Id
    amount: Amount
    currency: Currency


class InventoryReserved(CustomerEvent):
    """Every line of the order is set aside."""

    type: ClassVar[str] = "inventory.reserved"

    items: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]


class InventoryFailed(CustomerEvent):
    """At least one line cannot be supplied; nothing was set aside."""

    type: ClassVar[str] = "inventory.failed"

    shortages: Annotated[tuple[Shortage, ...], Field(min_length=1, max_length=MAX_LINES)]


class InventoryReleased(CustomerEvent):
    """What was set aside is for sale again."""

    type: ClassVar[str] = "inventory.released"

    items: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]


class InventoryLow(Event):
    """A reservation took articles to their reorder threshold. For operations."""

    type: ClassVar[str] = "inventory.low"

    items: Annotated[tuple[LowStock, ...], Field(min_length=1, max_length=MAX_LINES)]


CATALOGUE: Final[dict[str, type[Event]]] = {
    event.type: event
    for event in (
        OrderCreated,
        OrderCancelled,
        OrderRefunded,
        OrderShipped,
        OrderConfirmed,
        PaymentCompleted,
        PaymentFailed,
        PaymentRefunded,
        InventoryReserved,
        InventoryFailed,
        InventoryReleased,
        InventoryLow,
    )
}
