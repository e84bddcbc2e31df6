"""Email texts: one template per event."""

from dataclasses import dataclass
from typing import Final

from workers.events import (
    InventoryFailed,
    InventoryLow,
    LowStock,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderEvent,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PricedLine,
    Shortage,
)


@dataclass(frozen=True)
class Template:
    """A plain-text email. Braces name fields of the event; ``{lines}`` lists its items."""

    name: str
    subject: str
    body: str

    def render(self, event: OrderEvent) -> tuple[str, str]:
        """Fill in the event's fields and return the subject and the body."""
        fields = {name: "not available" if value is None else value for name, value in event}
        fields["lines"] = _lines(event)
        return self.subject.format_map(fields), self.body.format_map(fields)


TEMPLATES: Final[dict[type[OrderEvent], Template]] = {
    OrderCreated: Template(
        "order-received",
        "We received your order {order_id}",
        "Thank you for your order {order_id}.\n\n{lines}\n\n"
        "Total: {total_amount} {currency}\n\n"
        "We will email you when your order is confirmed.\n",
    ),
    OrderConfirmed: Template(
        "order-confirmation",
        "Your order {order_id} is confirmed",
        "Your order {order_id} is confirmed: your payment of {total_amount} {currency} was "
        "successful and all items are in stock.\n"
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
        "Your order {order_id} has been cancelled: {reason}.\n"
        "If you have already paid, we will refund you in full.\n",
    ),
    PaymentCompleted: Template(
        "payment-receipt",
        "Receipt for your order {order_id}",
        "We received your payment of {amount} {currency} for your order {order_id}.\n"
        "Payment ID: {payment_id}\n",
    ),
    PaymentFailed: Template(
        "payment-declined",
        "Payment declined for your order {order_id}",
        "We could not charge {amount} {currency} for your order {order_id}: {reason}.\n",
    ),
    PaymentRefunded: Template(
        "refund-notice",
        "Refund for your order {order_id}",
        "We have refunded {amount} {currency} for your order {order_id}.\n"
        "Payment ID: {payment_id}\n",
    ),
    InventoryFailed: Template(
        "out-of-stock",
        "Items in your order {order_id} are out of stock",
        "We are sorry: we cannot ship your order {order_id} because some items are out of "
        "stock.\n\n{lines}\n",
    ),
    InventoryLow: Template(
        "stock-low",
        "Low stock: items to reorder",
        "After order {order_id}, these items are at or below their reorder threshold:\n\n{lines}\n",
    ),
}


def _lines(event: OrderEvent) -> str:
    match event:
        case (
            OrderCreated(items=lines) | InventoryFailed(shortages=lines) | InventoryLow(items=lines)
        ):
            return "\n".join(_line(line) for line in lines)
        case _:
            return ""


def _line(line: PricedLine | Shortage | LowStock) -> str:
    match line:
        case PricedLine():
            return f"{line.quantity} x {line.sku} at {line.price}"
        case Shortage():
            return f"{line.sku}: {line.quantity} ordered, {line.available} available"
        case LowStock():
            return f"{line.sku}: {line.available} left, reorder threshold {line.reorder_threshold}"
