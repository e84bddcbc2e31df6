"""The payment gateway that ships: a simulator with a ledger that a test can audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from workers.aws.errors import translated
from workers.runtime.errors import PermanentError
from workers.services.payment import CardDeclined, Charge

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEPENDENCY: Final = "payment-gateway"
CHARGE: Final = "charge"
REFUND: Final = "refund"
CANCELLED: Final = "cancelled"  # a charge that was refunded before it came

_PREFIX: Final = "ledger#"
_PAYMENTS: Final = UUID("0b7d8a52-9c43-5a7e-8a26-2f6f0f1c7d35")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger: what one idempotency key did, and how often it was asked for."""

    key: str
    kind: str  # CHARGE, REFUND or CANCELLED
    order_id: str
    payment_id: str
    amount: Decimal
    currency: str
    requests: int


@dataclass(frozen=True)
class SimulatedGateway:
    """The port ``PaymentGateway``: approves every charge, and never twice for one key."""

    client: "DynamoDBClient"
    table: str

    def charge(self, order_id: str, amount: Decimal, currency: str, *, idempotency_key: str) -> str:
        """Charge once per key; see ``PaymentGateway``.

        Raises ``PermanentError`` if the key was used for another charge.
        """
        payment_id = str(uuid5(_PAYMENTS, idempotency_key))
        asked = _fields(CHARGE, order_id, payment_id, amount, currency)
        entry = self._enter(idempotency_key, asked)
        if entry.kind == CANCELLED:
            raise CardDeclined("the payment was cancelled")
        if entry != _entry(idempotency_key, asked, entry.requests):
            raise PermanentError(f"{DEPENDENCY}: {idempotency_key} was used for another charge")
        return payment_id

    def refund(self, charge_key: str, *, idempotency_key: str) -> Charge | None:
        """Give a charge back once per key; see ``PaymentGateway``."""
        charge = self._enter(charge_key, _fields(CANCELLED, "", "", Decimal(0), ""), requests=0)
        if charge.kind == CANCELLED:
            return None
        returned = Charge(charge.payment_id, charge.amount, charge.currency)
        self._enter(
            idempotency_key,
            _fields(REFUND, charge.order_id, charge.payment_id, charge.amount, charge.currency),
        )
        return returned

    def ledger(self) -> Iterator[Entry]:
        """Read the whole ledger, in no order. For audits: it scans the table."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            ConsistentRead=True,
            FilterExpression="begins_with(pk, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": _PREFIX}},
        )
        with translated(DEPENDENCY):
            for page in pages:
                for item in page["Items"]:
                    yield _read(item)

    def _enter(self, key: str, fields: dict[str, Any], *, requests: int = 1) -> Entry:
        """Write a line unless the key has one, count the request, and return the line."""
        with translated(DEPENDENCY):
            written = self.client.update_item(
                TableName=self.table,
                Key={"pk": {"S": f"{_PREFIX}{key}"}},
                UpdateExpression=(
                    "SET "
                    + ", ".join(f"{name} = if_not_exists({name}, :{name})" for name in fields)
                    + " ADD requests :requests"
                ),
                ExpressionAttributeValues={
                    ":requests": {"N": str(requests)},
                    **{f":{name}": value for name, value in fields.items()},
                },
                ReturnValues="ALL_NEW",
            )
        return _read(written["Attributes"])


def _fields(
    kind: str, order_id: str, payment_id: str, amount: Decimal, currency: str
) -> dict[str, Any]:
    return {
        "kind": {"S": kind},
        "orderId": {"S": order_id},
        "paymentId": {"S": payment_id},
        "amount": {"S": f"{amount:.2f}"},
        "currency": {"S": currency},
    }


def _read(item: Any) -> Entry:
    key = item["pk"]["S"].removeprefix(_PREFIX)
    return _entry(key, item, int(item["requests"]["N"]))


def _entry(key: str, fields: Any, requests: int) -> Entry:
    return Entry(
        key=key,
        kind=fields["kind"]["S"],
        order_id=fields["orderId"]["S"],
        payment_id=fields["paymentId"]["S"],
        amount=Decimal(fields["amount"]["S"]),
        currency=fields["currency"]["S"],
        requests=requests,
    )
