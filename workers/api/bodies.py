"""Request bodies. The schema states every limit."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from workers.addresses import readable, sendable
from workers.api.callers import MAX_SUBJECT
from workers.envelope import Id
from workers.events import (
    MAX_AMOUNT,
    MAX_LINES,
    Amount,
    Currency,
    Email,
    PricedLine,
    Quantity,
    Simulation,
    Sku,
    Text,
)

_PLAIN_NUMBER: Final = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
# 12 to 19 digits, perhaps in groups (ISO/IEC 7812-1).
_CARD_NUMBER: Final = r"[0-9]([-.:_]?[0-9]){11,18}"
_CENT: Final = Decimal("0.01")


def _plain(value: object) -> object:
    """Reject strings that only ``Decimal`` accepts: 1e3, 1_000, digits of other scripts."""
    if isinstance(value, str) and not re.fullmatch(_PLAIN_NUMBER, value):
        raise ValueError("a price given as a string must look like 19.99")
    return value


def _to_cents(value: Decimal) -> Decimal:
    """Normalize 850, 850.0 and "850.00" to the same value; ``abs`` turns -0 into 0."""
    return abs(value).quantize(_CENT)


def _not_a_card(value: str) -> str:
    """Keep card numbers out of tables and queues: PCI DSS applies to systems that store them."""
    if re.fullmatch(_CARD_NUMBER, value):
        raise ValueError("must be the payment provider's token, not a card number")
    return value


def _within_limit(lines: list["OrderLine"]) -> list["OrderLine"]:
    if sum(line.price * line.quantity for line in lines) > MAX_AMOUNT:
        raise ValueError(f"the total must not exceed {MAX_AMOUNT}")
    return lines


# The only full validation of the address, and its conversion to the form that mail is sent to.
# Events check no more than its shape.
_SHAPE: Final = TypeAdapter[str](Email)
MAX_ADDRESS: Final = 254  # RFC 5321, 4.5.3.1.3. Checked before parsing, because parsing is slow.
Address = Annotated[
    str,
    Field(max_length=MAX_ADDRESS),
    AfterValidator(lambda address: sendable(address.strip(" "))),
    AfterValidator(_SHAPE.validate_python),
    WithJsonSchema(
        {
            "type": "string",
            "format": "email",
            "maxLength": MAX_ADDRESS,
            "description": "ASCII before the @; the domain may be internationalized.",
            "examples": ["ada@example.com"],
        }
    ),
]
Price = Annotated[
    Amount,
    Field(strict=False),
    BeforeValidator(_plain),
    AfterValidator(_to_cents),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": float(MAX_AMOUNT)},
                {"type": "string", "pattern": _PLAIN_NUMBER},
            ],
            "description": "At most two decimal places.",
            "examples": [850, 19.99, "19.99"],
        }
    ),
]


class _Body(BaseModel):
    """A request body: camelCase names, no unknown fields."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    def canonical(self) -> str:
        """Return a text that is equal for equivalent bodies."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class OrderLine(_Body):
    """A quantity of one item, with its unit price."""

    sku: Annotated[Sku, Field(examples=["LAPTOP-001"])]
    quantity: Annotated[Quantity, Field(examples=[1])]
    price: Price


class NewOrder(_Body):
    """A new order. The server computes its total."""

    customer_email: Address
    currency: Annotated[Currency, Field(description="ISO 4217", examples=["EUR"])]
    items: Annotated[
        list[OrderLine],
        Field(min_length=1, max_length=MAX_LINES),
        AfterValidator(_within_limit),
    ]
    customer_id: Annotated[
        Id | None,
        Field(
            description="The customer's ID in your records or the payment provider's",
            examples=["cus_NffrFeUfNV2Hib"],
        ),
    ] = None
    owner: Annotated[
        Text | None,
        Field(
            max_length=MAX_SUBJECT,
            description="The `sub` in the tokens of the customer to whom the order belongs; "
            "without it, `customerId` is taken. Needs the scope orders:operate.",
            examples=["auth0|5f7c8ec7c33c6c004bbafe82"],
        ),
    ] = None
    payment_method: Annotated[
        Annotated[Id, AfterValidator(_not_a_card)] | None,
        Field(
            description="The payment provider's token for the customer's card; never a card number",
            examples=["pm_1MqLiJLkdIwHu7ixUEgbFdYF"],
        ),
    ] = None

    def canonical(self) -> str:
        """Return a text that is equal for equivalent bodies, in every version of this service.

        The domain is in Unicode, as earlier versions wrote it: stored idempotency keys outlive a
        deploy.
        """
        unicode = self.model_copy(update={"customer_email": readable(self.customer_email)})
        return super(NewOrder, unicode).canonical()

    def lines(self) -> list[PricedLine]:
        """Return the lines in the form that events use."""
        return [PricedLine(sku=i.sku, quantity=i.quantity, price=i.price) for i in self.items]

    def simulation(self) -> Simulation | None:
        """Return the outcomes that the services are asked to simulate: none."""
        return None


class DemonstrationOrder(NewOrder):
    """A new order that may ask the services to simulate an outcome. For demonstrations."""

    payment_outcome: Literal["approved", "declined"] | None = None
    inventory_outcome: Literal["reserved", "out_of_stock"] | None = None
    simulate_technical_failure: Literal["payment", "inventory", "notification"] | None = None

    def simulation(self) -> Simulation | None:
        """Return the outcomes that the services are asked to simulate, if any."""
        requested = Simulation(
            payment_outcome=self.payment_outcome,
            inventory_outcome=self.inventory_outcome,
            technical_failure=self.simulate_technical_failure,
        )
        return None if requested == Simulation() else requested


class Cancellation(_Body):
    """The reason for a cancellation."""

    reason: Text = "the customer cancelled the order"


class RefundRequest(_Body):
    """The reason for a refund."""

    reason: Text = "the customer asked for a refund"


class Shipment(_Body):
    """The tracking number of a shipment."""

    tracking_number: Id | None = None
