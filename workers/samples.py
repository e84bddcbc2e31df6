"""Sample items and orders for the demo, the smoke test and the stock of an emulator."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "success", "declined", "out_of_stock", "refused", "technical", "cancelled", "refunded"
]

PRICES: Final = {
    "LAPTOP-001": Decimal("850.00"),
    "MOUSE-002": Decimal("25.00"),
    "KEYBOARD-003": Decimal("79.90"),
    "MONITOR-004": Decimal("219.50"),
}
REORDER_THRESHOLD: Final = 10


@dataclass(frozen=True)
class SampleOrder:
    """A sample order with a known outcome."""

    number: int
    kind: Kind
    items: tuple[tuple[str, int], ...]  # sku, quantity

    @property
    def idempotency_key(self) -> str:
        """The idempotency key: placing it again after a crash places no second order."""
        return f"demo-{self.number}"

    @property
    def email(self) -> str:
        """The customer's address: a canary that must never show up in a log."""
        return f"customer-{self.number}@example.com"

    @property
    def ends(self) -> str:
        """The state that the order must end in."""
        return "confirmed" if self.kind in ("success", "technical") else "cancelled"

    @property
    def total(self) -> Decimal:
        """The total price."""
        return sum((PRICES[sku] * quantity for sku, quantity in self.items), Decimal(0))

    def body(self) -> dict[str, Any]:
        """Return the request body for ``POST /orders``."""
        body: dict[str, Any] = {
            "customerEmail": self.email,
            "currency": "EUR",
            "items": [
                {"sku": sku, "quantity": quantity, "price": str(PRICES[sku])}
                for sku, quantity in self.items
            ],
        }
        if self.kind in ("declined", "refused"):
            body["paymentOutcome"] = "declined"
        if self.kind in ("out_of_stock", "refused"):
            body["inventoryOutcome"] = "out_of_stock"
        if self.kind == "technical":
            body["simulateTechnicalFailure"] = "payment"
        return body
