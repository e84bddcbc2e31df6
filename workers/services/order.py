"""The order as a value, and as a document in the orders table.

During a deploy, workers of two versions rewrite the same orders. The transaction preserves
unknown top-level fields of a document, but cannot match the elements of a list. Therefore these
models preserve unknown fields at every depth.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import to_jsonable_python

from workers.events import PricedLine
from workers.runtime.ports import Document

State: TypeAlias = Literal["pending", "confirmed", "shipped", "cancelled", "refunded"]
PaymentStatus: TypeAlias = Literal["pending", "completed", "failed", "refunded", "cancelled"]
InventoryStatus: TypeAlias = Literal["pending", "reserved", "failed", "released", "cancelled"]


def key_of(order_id: str) -> str:
    """Return the key of an order's document."""
    return f"order#{order_id}"


# In place of a caller who is the customer, where the customer is masked or erased.
THE_OWNER: Final = "the owner"
_NAMING: Final = ("customerEmail", "customerId", "owner")


def names_in(document: Document) -> frozenset[str]:
    """Return the names that the document of an order has for its customer."""
    return frozenset(str(name) for field in _NAMING if (name := document.get(field)))


class _Stored(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, populate_by_name=True
    )


class Entry(_Stored):
    """One entry in the history of an order.

    ``event_id`` is that of an event that order-api published: from it every other event follows.
    Entries of earlier versions have none, nor a reason.
    """

    at: AwareDatetime
    event_type: str
    event_id: str | None = None
    reason: str | None = None  # why: of a decline, a shortage, a cancellation, a refund
    # The caller whose request it was, if order-api asks who calls; ``THE_OWNER`` once erased.
    by: str | None = None


class StoredLine(PricedLine):
    """One line of a stored order, built from the event's line."""

    model_config = ConfigDict(extra="allow", from_attributes=True)


class Order(_Stored):
    """An order, stored as ``order#<orderId>``.

    Fields not known yet are None or empty: reports may arrive before the order.
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
    customer_id: str | None = None
    owner: str | None = None  # the caller or customer that it belongs to; None: operators alone
    payment_id: str | None = None
    correlation_id: str | None = None
    history: tuple[Entry, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was declined, out of stock, cancelled or refunded; oldest first, each once."""
        return tuple(dict.fromkeys(entry.reason for entry in self.history if entry.reason))

    @classmethod
    def of(cls, document: Document) -> "Order":
        """Parse a document."""
        return cls.model_validate(document, strict=False)

    def document(self) -> Document:
        """Return the document to store. Money and times are strings."""
        return _document(self)


def _document(model: BaseModel) -> Document:
    """Dump the declared fields, and add unknown ones unchanged: pydantic would convert them."""
    known = {key: _value(getattr(model, name)) for name, key in _keys(type(model)).items()}
    return known | (model.model_extra or {})


@cache
def _keys(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the key of each declared field in a document."""
    return {name: to_camel(name) for name in model.model_fields}


def _value(value: object) -> object:
    match value:
        case BaseModel():
            return _document(value)
        case tuple():
            return [_value(element) for element in value]
        case Decimal() | datetime():
            return to_jsonable_python(value)
        case _:
            return value
