"""THE LANGUAGE: every event that crosses the topic, on one page.

An event is a fact in the past tense, and a value: two events with the same data are equal.
Fields are only ever added, with a default, and raise ``MINOR_VERSION`` of the envelope: old
consumers ignore them. docs/CONTRACTS.md says how to change an event; ``workers schema diff`` fails
on a change that consumers of a released version cannot read.

Every string, list and number has a bound; money is a ``Decimal`` with a currency, never a float.
``decode`` reads an envelope that carries one of these events, from anybody; ``accepting`` makes the
``decode`` of a consumer. ``peek`` reads what is left of a bad one.
"""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from workers.envelope import Decode, Decoder, Encoded, Event, Id, Value
from workers.glimpse import Glimpse, glimpse

# A transaction holds 100 items: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
# Fifty lines leave room for the inbox row, the reservation and whatever else a handler writes.
MAX_LINES: Final = 50
MAX_QUANTITY: Final = 10_000
MAX_AMOUNT: Final = Decimal("9999999999.99")

# Characters that SQS refuses, control characters included:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f\ufffe\uffff]+$"

# Marks a type of personal data. Commands that show messages mask it.
PERSONAL: Final = "personal"

Sku = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
# Checks the shape only: order-api has validated the address, and a full check on every delivery
# would cost more than the rest of decoding. Rejects anything that could start a mail header.
# RFC 5321, 4.5.3.1.3: a forward path of 256 octets, less its angle brackets.
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f,;<>]+@[^\s@\x00-\x1f\x7f,;<>]+$"
    ),
    PERSONAL,
]
CustomerId = Annotated[Id, PERSONAL]
CardToken = Annotated[Id, PERSONAL]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]  # ISO 4217
Amount = Annotated[Decimal, Field(ge=0, le=MAX_AMOUNT, decimal_places=2, allow_inf_nan=False)]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
Count = Annotated[int, Field(ge=0, le=10**12)]


class Line(Value):
    """A quantity of one item."""

    sku: Sku = Field(description="The item, as the shop names it.")
    quantity: Quantity = Field(description="How many of the item.")


class PricedLine(Line):
    """A line with its unit price."""

    price: Amount = Field(description="The price of one, in the currency of the order.")


class Shortage(Line):
    """A line that cannot be supplied: ``quantity`` were ordered, ``available`` were in stock."""

    available: Count = Field(description="How many were in stock.")


class LowStock(Value):
    """An item at or below its reorder threshold."""

    sku: Sku = Field(description="The item, as the shop names it.")
    available: Count = Field(description="How many are left in stock.")
    reorder_threshold: Count = Field(description="The number at which to order more.")


class Simulation(Value):
    """Outcomes that a demonstration order asks the services to simulate."""

    payment_outcome: Literal["approved", "declined"] | None = Field(
        default=None, description="What the payment provider answers."
    )
    inventory_outcome: Literal["reserved", "out_of_stock"] | None = Field(
        default=None, description="What the stock answers."
    )
    technical_failure: Literal["payment", "inventory", "notification"] | None = Field(
        default=None, description="The service whose first attempt fails."
    )


class OrderEvent(Event):
    """An event about one order."""

    subject_fields: ClassVar[tuple[str, ...]] = ("orderId",)

    order_id: Id = Field(description="The order.")

    @property
    def subject(self) -> Mapping[str, str]:
        """The id of the order."""
        return {"orderId": self.order_id}


class CustomerEvent(OrderEvent):
    """An event that the customer may be mailed about. The address never reaches a log.

    ``customer_id`` names the customer in the shop's or the payment provider's records.
    """

    customer_email: Email = Field(description="The address for mails about the order.")
    customer_id: CustomerId | None = Field(
        default=None, description="The customer in the records of the shop or payment provider."
    )


class OrderCreated(CustomerEvent):
    """A customer placed an order; nothing is charged or reserved yet."""

    type: ClassVar[str] = "order.created"

    items: Annotated[tuple[PricedLine, ...], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The lines of the order."
    )
    total_amount: Amount = Field(description="The sum over the lines of price times quantity.")
    currency: Currency = Field(description="The currency of every amount, in ISO 4217.")
    payment_method: CardToken | None = Field(
        default=None, description="The payment provider's token for a card. Never logged."
    )
    simulation: Simulation | None = None


class OrderCancelled(CustomerEvent):
    """The order will not be fulfilled: refund the payment, release the stock."""

    type: ClassVar[str] = "order.cancelled"

    reason: Text = Field(description="Why, in words for people.")


class OrderRefunded(CustomerEvent):
    """The order has shipped and is to be refunded; the customer keeps the goods."""

    type: ClassVar[str] = "order.refunded"

    reason: Text = Field(description="Why, in words for people.")


class OrderShipped(CustomerEvent):
    """The parcel is on its way."""

    type: ClassVar[str] = "order.shipped"

    tracking_number: Id | None = Field(
        default=None, description="The number of the parcel at its carrier."
    )


class OrderConfirmed(CustomerEvent):
    """The payment is captured and the stock is reserved."""

    type: ClassVar[str] = "order.confirmed"

    total_amount: Amount = Field(description="The total of the order.")
    currency: Currency = Field(description="The currency of the amount, in ISO 4217.")


class PaymentCompleted(CustomerEvent):
    """The customer was charged."""

    type: ClassVar[str] = "payment.completed"

    payment_id: Id = Field(description="The charge at the payment provider.")
    amount: Amount = Field(description="The amount that was charged.")
    currency: Currency = Field(description="The currency of the amount, in ISO 4217.")


class PaymentFailed(CustomerEvent):
    """The card was declined. A business outcome, not an error."""

    type: ClassVar[str] = "payment.failed"

    amount: Amount = Field(description="The amount that was not charged.")
    currency: Currency = Field(description="The currency of the amount, in ISO 4217.")
    reason: Text = Field(description="Why, in words for people.")


class PaymentRefunded(CustomerEvent):
    """The customer was refunded."""

    type: ClassVar[str] = "payment.refunded"

    payment_id: Id = Field(description="The charge at the payment provider that was refunded.")
    amount: Amount = Field(description="The amount that was refunded.")
    currency: Currency = Field(description="The currency of the amount, in ISO 4217.")


class InventoryReserved(CustomerEvent):
    """Every line of the order is reserved."""

    type: ClassVar[str] = "inventory.reserved"

    items: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The lines that were reserved."
    )


class InventoryFailed(CustomerEvent):
    """At least one line cannot be supplied; nothing was reserved."""

    type: ClassVar[str] = "inventory.failed"

    shortages: Annotated[tuple[Shortage, ...], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The lines that cannot be supplied."
    )


class InventoryReleased(CustomerEvent):
    """The reserved items are for sale again."""

    type: ClassVar[str] = "inventory.released"

    items: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The lines that were released."
    )


class InventoryLow(OrderEvent):
    """A reservation took items down to their reorder threshold. For operations."""

    type: ClassVar[str] = "inventory.low"

    items: Annotated[tuple[LowStock, ...], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The items that are low."
    )


CATALOGUE: Final[dict[str, type[OrderEvent]]] = {
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

decode: Final = Decoder(CATALOGUE).decode


def accepting(
    publishers: Mapping[str, Collection[str]], check: Callable[[str], None] | None = None
) -> Decode[OrderEvent]:
    """Return a ``decode`` that believes only the ``publishers`` of each type; see ``Decoder``."""
    return Decoder(CATALOGUE, publishers, check).decode


def peek(body: str) -> Glimpse:
    """Read what can be read of an envelope that ``decode`` refuses; see ``glimpse``."""
    return glimpse(body, OrderEvent.subject_fields)


def group_of(event: Encoded) -> str:
    """Return what an event is about: events of one group are published and handled in order.

    It is the order; for an event of another kind, what it was caused by.
    """
    if event.group:
        return event.group
    known = peek(event.body)
    return "#".join(known.subject.values()) or known.correlation_id or event.event_id
