"""Email texts: one template per event.

A mail goes to an address that somebody typed, so it never carries the text of a client: whoever
places an order could otherwise have us send a message, or a link, to anyone. Templates name only
ids, amounts and states, and ``render`` leaves out an id in which a link or a sentence would fit.
"""

import re
from dataclasses import dataclass
from typing import Final

from workers.events import (
    InventoryLow,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderRefunded,
    OrderShipped,
    PaymentRefunded,
)
from workers.services.lifecycle import OUT_OF_STOCK, PAYMENT_FAILED

NOT_AVAILABLE: Final = "not available"
# No dot, colon, slash or space: mail programs make links of "example.com" and "https:...".
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The reasons of this system. Any other is the words of a client.
OWN_REASONS: Final = frozenset({OUT_OF_STOCK, PAYMENT_FAILED})


@dataclass(frozen=True)
class Template:
    """A plain-text email. Braces name fields of the event; ``{lines}`` lists its items."""

    name: str
    subject: str
    body: str

    def render(self, event: OrderEvent) -> tuple[str, str]:
        """Fill in the event's fields and return the subject and the body."""
        fields = {name: _harmless(value) for name, value in event}
        fields |= {"because": _because(event), "lines": _lines(event)}
        return self.subject.format_map(fields), self.body.format_map(fields)


_REFUND: Final = Template(
    "refund-notice",
    "Refund for your order {order_id}",
    "We are refunding your order {order_id} in full.\n"
    "Your bank may take a few days to show the payment.\n",
)

# A customer is mailed about what became of the order, never about an order that was only placed,
# and never by the reports of payment and inventory: an order that fails sends one mail.
TEMPLATES: Final[dict[type[OrderEvent], Template]] = {
    OrderConfirmed: Template(
        "order-confirmation",
        "Your order {order_id} is confirmed",
        "Thank you for your order {order_id}. It is confirmed: your payment of {total_amount} "
        "{currency} was successful and all items are in stock.\n"
        "We will email you when your order ships.\n",
    ),
    OrderShipped: Template(
        "shipping-notification",
        "Your order {order_id} has shipped",
        "Your order {order_id} is on its way.\nTracking number: {tracking_number}\n",
    ),
    OrderCancelled: Template(
        "cancellation-confirmation",
        "Your order {order_id} has been cancelled",
        "Your order {order_id} has been cancelled{because}.\n"
        "If you have already paid, we will refund you in full.\n",
    ),
    OrderRefunded: _REFUND,
    PaymentRefunded: _REFUND,
    InventoryLow: Template(
        "stock-low",
        "Low stock: items to reorder",
        "After order {order_id}, these items are at or below their reorder threshold:\n\n{lines}\n",
    ),
}
NAMES: Final = frozenset(template.name for template in TEMPLATES.values())
# Of mails that earlier versions sent, and that old orders still have on record.
FORMER: Final = frozenset({"order-received", "out-of-stock", "payment-declined", "payment-receipt"})


def _harmless(value: object) -> object:
    if isinstance(value, str):
        return value if _HARMLESS.fullmatch(value) else NOT_AVAILABLE
    return NOT_AVAILABLE if value is None else value


def _because(event: OrderEvent) -> str:
    if isinstance(event, OrderCancelled) and event.reason in OWN_REASONS:
        return f": {event.reason}"
    return ""


def _lines(event: OrderEvent) -> str:
    """List the items of a warning to operations. They are in stock, so operators named them."""
    if not isinstance(event, InventoryLow):
        return ""
    return "\n".join(
        f"{line.sku}: {line.available} left, reorder threshold {line.reorder_threshold}"
        for line in event.items
    )
