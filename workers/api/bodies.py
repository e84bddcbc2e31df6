"""What clients send, with every bound in the schema."""

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
from workers.events import (
    MAX_AMOUNT,
    MAX_LINES,
    Amount,
    Currency,
    Email,
    Id,
    PricedLine,
    Quantity,
    Simulation,
    Sku,
    Text,
)

_PLAIN_NUMBER: Final = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
_CENT: Final = Decimal("0.01")


def _plain(value: object) -> object:
    """Refuse what ``Decimal`` would take and nobody means: 1e3, 1_000, other scripts' digits."""
    if isinstance(value, str) and not re.fullmatch(_PLAIN_NUMBER, value):
        raise ValueError("a price as a string looks like 19.99")
    return value


def _to_the_cent(value: Decimal) -> Decimal:
    """Write 850, 850.0 and "850.00" the same way; ``abs`` takes the sign off a zero."""
    return abs(value).quantize(_CENT)


def _affordable(lines: list["OrderLine"]) -> list["OrderLine"]:
    if sum(line.price * line.quantity for line in lines) > MAX_AMOUNT:
        raise ValueError(f"the total is above {MAX_AMOUNT}")
    return lines


# The address is validated in full here, once, and goes on in the form that mails are sent to; the
# events only keep its shape.
_SHAPE: Final = TypeAdapter[str](Email)
MAX_ADDRESS: Final = 254  # RFC 5321, 4.5.3.1.3; also before it is parsed, which takes its time
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
            "description": "ASCII before the @; the domain may be an international one.",
            "examples": ["ada@example.com"],
        }
    ),
]
Price = Annotated[
    Amount,
    Field(strict=False),
    BeforeValidator(_plain),
    AfterValidator(_to_the_cent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": float(MAX_AMOUNT)},
                {"type": "string", "pattern": _PLAIN_NUMBER},
            ],
            "description": "At most two decimals.",
            "examples": [850, 19.99, "19.99"],
        }
    ),
]


class _Body(BaseModel):
    """What a client sends: exactly these fields, camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    def canonical(self) -> str:
        """Give the text that is the same for bodies that mean the same."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class OrderLine(_Body):
    """So many of one article, at a price each."""

    sku: Annotated[Sku, Field(examples=["LAPTOP-001"])]
    quantity: Annotated[Quantity, Field(examples=[1])]
    price: Price


class NewOrder(_Body):
    """An order. The server computes its total."""

    customer_email: Address
    currency: Annotated[Currency, Field(description="ISO 4217", examples=["EUR"])]
    items: Annotated[
        list[OrderLine],
        Field(min_length=1, max_length=MAX_LINES),
        AfterValidator(_affordable),
    ]

    def canonical(self) -> str:
        """Give the text that is the same for bodies that mean the same, whoever reads them.

        The version before wrote the domain as it is read, and kept keys outlive a deploy.
        """
        as_read = self.model_copy(update={"customer_email": readable(self.customer_email)})
        return super(NewOrder, as_read).canonical()

    def lines(self) -> list[PricedLine]:
        """Give the lines as events hold them."""
        return [PricedLine(sku=i.sku, quantity=i.quantity, price=i.price) for i in self.items]

    def simulation(self) -> Simulation | None:
        """Tell what the services are asked to pretend."""
        return None


class DemonstrationOrder(NewOrder):
    """An order that may ask the services to pretend an outcome. For demonstrations."""

    payment_outcome: Literal["approved", "declined"] | None = None
    inventory_outcome: Literal["reserved", "out_of_stock"] | None = None
    simulate_technical_failure: Literal["payment", "inventory", "notification"] | None = None

    def simulation(self) -> Simulation | None:
        """Tell what the services are asked to pretend."""
        wanted = Simulation(
            payment_outcome=self.payment_outcome,
            inventory_outcome=self.inventory_outcome,
            technical_failure=self.simulate_technical_failure,
        )
        return None if wanted == Simulation() else wanted


class Cancellation(_Body):
    """Why the order is given up."""

    reason: Text = "the customer cancelled the order"


class RefundRequest(_Body):
    """Why the money is to go back."""

    reason: Text = "the customer asked for a refund"


class Shipment(_Body):
    """Where the parcel can be followed."""

    tracking_number: Id | None = None
