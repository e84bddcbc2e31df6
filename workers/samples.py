"""Sample items and orders: what the demo, the smoke test and an emulator's stock are made of."""

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
    """One order of the demo."""

    number: int
    kind: Kind
    items: tuple[tuple[str, int], ...]  # sku, quantity

    @property
    def idempotency_key(self) -> str:
        """The key under which it is placed: a repeat after a crash is the same order."""
        return f"demo-{self.number}"

    @property
    def email(self) -> str:
        """The customer's address; a canary that no log may show."""
        return f"customer-{self.number}@example.com"

    @property
    def ends(self) -> str:
        """The state in which it must end."""
        return "confirmed" if self.kind in ("success", "technical") else "cancelled"

    @property
    def total(self) -> Decimal:
        """What it costs."""
        return sum((PRICES[sku] * quantity for sku, quantity in self.items), Decimal(0))

    def body(self) -> dict[str, Any]:
        """Give the request body for ``POST /orders``."""
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
