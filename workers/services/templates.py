"""What the mails say: one template per event."""

from dataclasses import dataclass
from typing import Final

from workers.events import (
    Event,
    InventoryFailed,
    InventoryLow,
    LowStock,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PricedLine,
    Shortage,
)


@dataclass(frozen=True)
class Template:
    """A mail in plain text. Braces name fields of the event; ``lines`` are its articles."""

    name: str
    subject: str
    body: str

    def render(self, event: Event) -> tuple[str, str]:
        """Fill in the event and return the subject and the body."""
        fields = {name: "none" if value is None else value for name, value in event}
        fields["lines"] = _lines(event)
        return self.subject.format_map(fields), self.body.format_map(fields)


TEMPLATES: Final[dict[type[Event], Template]] = {
    OrderCreated: Template(
        "order-received",
        "We have your order {order_id}",
        "Thank you for your order {order_id}.\n\n{lines}\n\n"
        "Total: {total_amount} {currency}\n\n"
        "We will write again when it is confirmed.\n",
    ),
    OrderConfirmed: Template(
        "order-confirmation",
        "Your order {order_id} is confirmed",
        "Your order {order_id} over {total_amount} {currency} is paid and in stock.\n"
        "We will write again when it ships.\n",
    ),
    OrderShipped: Template(
        "shipping-notification",
        "Your order {order_id} is on its way",
        "Your order {order_id} is on its way.\nTracking number: {tracking_number}\n",
    ),
    OrderCancelled: Template(
        "cancellation-confirmation",
        "Your order {order_id} is cancelled",
        "Your order {order_id} is cancelled: {reason}.\n"
        "If money was taken for it, it goes back to you.\n",
    ),
    PaymentCompleted: Template(
        "payment-receipt",
        "Receipt for your order {order_id}",
        "We received {amount} {currency} for your order {order_id}.\nPayment: {payment_id}\n",
    ),
    PaymentFailed: Template(
        "payment-declined",
        "The payment for your order {order_id} was declined",
        "We could not take {amount} {currency} for your order {order_id}: {reason}.\n",
    ),
    PaymentRefunded: Template(
        "refund-notice",
        "Refund for your order {order_id}",
        "We gave back {amount} {currency} for your order {order_id}.\nPayment: {payment_id}\n",
    ),
    InventoryFailed: Template(
        "out-of-stock",
        "Your order {order_id} is out of stock",
        "We are sorry: we cannot supply your order {order_id}.\n\n{lines}\n",
    ),
    InventoryLow: Template(
        "stock-low",
        "Stock is low",
        "Order {order_id} took these articles to their reorder threshold:\n\n{lines}\n",
    ),
}


def _lines(event: Event) -> str:
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
            return f"{line.sku}: {line.quantity} ordered, {line.available} in stock"
        case LowStock():
            return f"{line.sku}: {line.available} left, threshold {line.reorder_threshold}"
