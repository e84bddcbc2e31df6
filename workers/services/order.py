"""An order as a value, and as the document that the orders table keeps."""

from decimal import Decimal
from typing import Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from workers.events import PricedLine
from workers.runtime.ports import Document

State: TypeAlias = Literal["pending", "confirmed", "shipped", "cancelled", "refunded"]
PaymentStatus: TypeAlias = Literal["pending", "completed", "failed", "refunded", "cancelled"]
InventoryStatus: TypeAlias = Literal["pending", "reserved", "failed", "released", "cancelled"]


def key_of(order_id: str) -> str:
    """Name the document of an order."""
    return f"order#{order_id}"


class _Stored(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, populate_by_name=True)


class Entry(_Stored):
    """One line of an order's history."""

    at: AwareDatetime
    event_type: str


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
    items: tuple[PricedLine, ...] = ()
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
        return self.model_dump(mode="json", by_alias=True)
