"""A simulated payment gateway, with a ledger that tests can audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from workers.aws.errors import translated
from workers.runtime.errors import PermanentError
from workers.services.payment import NOBODY, CardDeclined, Charge, Payer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEPENDENCY: Final = "payment-gateway"
CHARGE: Final = "charge"
REFUND: Final = "refund"
CANCELLED: Final = "cancelled"  # a charge whose refund came first

_PREFIX: Final = "ledger#"
_PAYMENTS: Final = UUID("0b7d8a52-9c43-5a7e-8a26-2f6f0f1c7d35")


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry: the effect of one idempotency key, and the number of requests with it."""

    key: str
    kind: str  # CHARGE, REFUND or CANCELLED
    order_id: str
    payment_id: str
    amount: Decimal
    currency: str
    requests: int


@dataclass(frozen=True)
class SimulatedGateway:
    """Implements ``PaymentGateway``: approves every charge, once per key."""

    client: "DynamoDBClient"
    table: str

    def charge(
        self,
        order_id: str,
        amount: Decimal,
        currency: str,
        *,
        idempotency_key: str,
        payer: Payer = NOBODY,  # noqa: ARG002 - simulated money needs no payer
    ) -> str:
        """Charge once per key; see ``PaymentGateway``."""
        payment_id = str(uuid5(_PAYMENTS, idempotency_key))
        requested = _fields(CHARGE, order_id, payment_id, amount, currency)
        entry = self._record(idempotency_key, requested)
        if entry.kind == CANCELLED:
            raise CardDeclined("the payment was cancelled")
        if entry != _entry(idempotency_key, requested, entry.requests):
            raise PermanentError(f"{DEPENDENCY}: {idempotency_key} was used for another charge")
        return payment_id

    def refund(self, charge_key: str, *, idempotency_key: str) -> Charge | None:
        """Refund a charge once per key; see ``PaymentGateway``."""
        charge = self._record(charge_key, _fields(CANCELLED, "", "", Decimal(0), ""), requests=0)
        if charge.kind == CANCELLED:
            return None
        self._record(
            idempotency_key,
            _fields(REFUND, charge.order_id, charge.payment_id, charge.amount, charge.currency),
        )
        return Charge(charge.payment_id, charge.amount, charge.currency)

    def ledger(self) -> Iterator[Entry]:
        """Yield all entries, in no particular order. For audits: it scans the table."""
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

    def _record(self, key: str, fields: dict[str, Any], *, requests: int = 1) -> Entry:
        """Create the key's entry if it has none, count the request, and return the entry."""
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
