"""A record of every payment by its idempotency key, for providers that forget keys."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from workers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEPENDENCY: Final = "dynamodb"
CANCELLED: Final = "cancelled"  # in place of a payment: the refund came first

_PREFIX: Final = "gateway#"


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of one idempotency key."""

    payment: str  # the provider's id, or CANCELLED; empty until one is claimed
    order_id: str
    amount: Decimal
    currency: str
    server_errors: int

    def is_for(self, order_id: str, amount: Decimal, currency: str) -> bool:
        """Whether the key was used for this charge."""
        return (self.order_id, self.amount, self.currency) == (order_id, amount, currency)


@dataclass(frozen=True)
class PaymentLedger:
    """Keeps entries in payment's table, without an expiry. Every method raises ``Unavailable``.

    A charge and a refund of the same key race for ``Entry.payment``. The first to claim it wins,
    and both see the winner.
    """

    client: "DynamoDBClient"
    table: str

    def open(self, key: str, order_id: str, amount: Decimal, currency: str) -> Entry:
        """Record what the key is used for, unless it is recorded; return the entry."""
        return self._set_once(
            key, {"orderId": order_id, "amount": f"{amount:.2f}", "currency": currency}
        )

    def claim(self, key: str, payment: str) -> Entry:
        """Record the key's payment, unless one is recorded; return the entry."""
        return self._set_once(key, {"payment": payment})

    def count_server_error(self, key: str) -> None:
        """Count a server error of the provider."""
        with translated(DEPENDENCY):
            self.client.update_item(
                TableName=self.table,
                Key=_key(key),
                UpdateExpression="ADD serverErrors :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    def _set_once(self, key: str, fields: dict[str, str]) -> Entry:
        with translated(DEPENDENCY):
            written = self.client.update_item(
                TableName=self.table,
                Key=_key(key),
                UpdateExpression="SET "
                + ", ".join(f"{name} = if_not_exists({name}, :{name})" for name in fields),
                ExpressionAttributeValues={
                    f":{name}": {"S": text} for name, text in fields.items()
                },
                ReturnValues="ALL_NEW",
            )
        return _entry(written["Attributes"])


def _key(key: str) -> dict[str, Any]:
    return {"pk": {"S": f"{_PREFIX}{key}"}}


def _entry(item: Any) -> Entry:
    def text(name: str, default: str = "") -> str:
        return str(item[name]["S"]) if name in item else default

    return Entry(
        payment=text("payment"),
        order_id=text("orderId"),
        amount=Decimal(text("amount", "0")),
        currency=text("currency"),
        server_errors=int(item["serverErrors"]["N"]) if "serverErrors" in item else 0,
    )
