"""What clients get. The customer's address is in none of it."""

from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Money = Annotated[
    Decimal, WithJsonSchema({"type": "string", "examples": ["869.99"]}, mode="serialization")
]


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, populate_by_name=True)


class Accepted(_Answer):
    """The request is recorded; its event will reach every service."""

    order_id: str
    event_id: str
    status: Annotated[str, Field(description="The state of the order", examples=["pending"])]
    correlation_id: Annotated[str, Field(description="The same on every event of this order")]


class Line(_Answer):
    """One line of an order."""

    sku: str
    quantity: int
    price: Money


class Entry(_Answer):
    """One step of an order."""

    at: AwareDatetime
    event_type: Annotated[str, Field(examples=["order.created"])]


class OrderView(_Answer):
    """An order as everybody may see it: without the customer's address."""

    order_id: str
    state: Annotated[str, Field(examples=["confirmed"])]
    payment: Annotated[str, Field(examples=["completed"])]
    inventory: Annotated[str, Field(examples=["reserved"])]
    items: list[Line]
    total_amount: Money | None
    currency: str | None
    created_at: AwareDatetime
    correlation_id: str | None
    history: list[Entry]
