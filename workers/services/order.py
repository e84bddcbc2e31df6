"""An order as a value, and as the document that the orders table keeps.

A task of the version before may rewrite an order that this one wrote, and the other way round.
The transaction keeps the fields of a document that its writer does not know, but it cannot tell
the lines of a list apart. So these models keep what they do not know, at every depth.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python

from workers.events import PricedLine
from workers.runtime.ports import Document

State: TypeAlias = Literal["pending", "confirmed", "shipped", "cancelled", "refunded"]
PaymentStatus: TypeAlias = Literal["pending", "completed", "failed", "refunded", "cancelled"]
InventoryStatus: TypeAlias = Literal["pending", "reserved", "failed", "released", "cancelled"]


def key_of(order_id: str) -> str:
    """Name the document of an order."""
    return f"order#{order_id}"


class _Stored(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, populate_by_name=True
    )


class Entry(_Stored):
    """One line of an order's history."""

    at: AwareDatetime
    event_type: str


class StoredLine(PricedLine):
    """One line of an order; made of that of the event."""

    model_config = ConfigDict(extra="allow", from_attributes=True)


class Order(_Stored):
    """An order, as ``order#<orderId>`` keeps it.

    What nobody has told yet is None or empty: reports may come before the order itself.
    """

    order_id: str
    customer_email: str
    created_at: AwareDatetime
    state: State = "pending"
    payment: PaymentStatus = "pending"
    inventory: InventoryStatus = "pending"
    items: tuple[StoredLine, ...] = ()
    total_amount: Decimal | None = None
    currency: str | None = None
    correlation_id: str | None = None
    history: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, document: Document) -> "Order":
        """Read a document."""
        return cls.model_validate(document, strict=False)

    def document(self) -> Document:
        """Give the document to store: money and times are strings."""
        return _document(self)


def _document(model: BaseModel) -> Document:
    """Dump what the model knows, and add the rest untouched: pydantic would dump that as well."""
    known = {to_camel(name): _value(getattr(model, name)) for name in type(model).model_fields}
    return known | (model.model_extra or {})


def _value(value: object) -> object:
    match value:
        case BaseModel():
            return _document(value)
        case tuple():
            return [_value(each) for each in value]
        case Decimal() | datetime():
            return to_jsonable_python(value)
        case _:
            return value
