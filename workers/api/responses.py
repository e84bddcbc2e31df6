"""Response bodies. None contains the customer's email address."""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from starlette.responses import Response

Money = Annotated[
    Decimal, WithJsonSchema({"type": "string", "examples": ["869.99"]}, mode="serialization")
]


class _Response(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, populate_by_name=True)


def answer(body: _Response, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return the HTTP response with a body."""
    content = body.model_dump_json(by_alias=True)
    return Response(content, status, media_type="application/json")


class Accepted(_Response):
    """A change that has been saved; its event will reach every service."""

    order_id: str
    event_id: str
    status: Annotated[str, Field(description="The state of the order", examples=["pending"])]
    correlation_id: Annotated[str, Field(description="Shared by all events of this order")]


class Line(_Response):
    """One line of an order."""

    sku: str
    quantity: int
    price: Money


class Entry(_Response):
    """One entry in the history of an order."""

    at: AwareDatetime
    event_type: Annotated[str, Field(examples=["order.created"])]
    reason: Annotated[str | None, Field(description="Why, if the event has a reason")] = None


class OrderView(_Response):
    """The public view of an order: it omits the customer's email address."""

    order_id: str
    state: Annotated[str, Field(examples=["confirmed"])]
    payment: Annotated[str, Field(examples=["completed"])]
    inventory: Annotated[str, Field(examples=["reserved"])]
    items: list[Line]
    total_amount: Money | None
    currency: str | None
    payment_id: Annotated[str | None, Field(description="Of the payment provider")] = None
    reasons: Annotated[
        list[str],
        Field(
            description="Why it was declined, out of stock, cancelled or refunded",
            examples=[["the card was declined", "the payment failed"]],
        ),
    ] = []
    created_at: AwareDatetime
    correlation_id: str | None
    history: list[Entry]
