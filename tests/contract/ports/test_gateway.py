"""Every ``PaymentGateway`` behaves like this."""

from decimal import Decimal

import pytest

from workers.runtime.errors import PermanentError
from workers.services.payment import CardDeclined, Charge, Payer

PAYER = Payer("customer-1", "pm_card_visa")
AMOUNT = Decimal("24.60")


def charge(gateway, order_id="order-1", amount=AMOUNT, currency="EUR", key="charge-order-1"):
    return gateway.charge(order_id, amount, currency, idempotency_key=key, payer=PAYER)


def test_a_key_is_charged_once_and_always_gets_the_same_result(gateway):
    assert charge(gateway) == charge(gateway)


def test_another_key_is_another_payment(gateway):
    assert charge(gateway) != charge(gateway, key="charge-order-2")


@pytest.mark.parametrize(
    "other", [{"amount": Decimal("24.61")}, {"currency": "USD"}, {"order_id": "order-2"}], ids=str
)
def test_a_key_used_for_another_charge_is_a_permanent_error(gateway, other):
    charge(gateway)

    with pytest.raises(PermanentError):
        charge(gateway, **other)


def test_a_refund_returns_the_charged_amount(gateway):
    payment_id = charge(gateway)

    first = gateway.refund("charge-order-1", idempotency_key="refund-order-1")
    second = gateway.refund("charge-order-1", idempotency_key="refund-order-1")

    assert first == second == Charge(payment_id, AMOUNT, "EUR")


def test_a_refunded_charge_still_gets_the_same_result(gateway):
    payment_id = charge(gateway)
    gateway.refund("charge-order-1", idempotency_key="refund-order-1")

    assert charge(gateway) == payment_id


def test_a_charge_after_its_refund_is_declined(gateway):
    assert gateway.refund("charge-order-1", idempotency_key="refund-order-1") is None
    with pytest.raises(CardDeclined):
        charge(gateway)
    with pytest.raises(CardDeclined):
        charge(gateway)

    assert gateway.refund("charge-order-1", idempotency_key="refund-order-1") is None
