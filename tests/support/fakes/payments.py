"""A payment gateway that records charges and refunds."""

from support.fakes.faults import Faults
from workers.runtime.errors import PermanentError
from workers.services.payment import NOBODY, CardDeclined, Charge


class FakeGateway(Faults):
    """The port ``PaymentGateway``; ``charged`` and ``refunded`` have the payments made.

    Orders whose id is in ``declined`` are declined.
    """

    def __init__(self):
        super().__init__()
        self.charged = []  # (order id, charge), one per charge that was executed
        self.refunded = []  # (idempotency key, charge)
        self.declined = set()
        self.payers = {}  # order id -> the payer of its last charge
        self._answers = {}  # idempotency key -> (request, Charge or CardDeclined)
        self._refunds = {}

    def charge(self, order_id, amount, currency, *, idempotency_key, payer=NOBODY):
        with self._call("charge"):
            asked = (order_id, amount, currency)
            self.payers[order_id] = payer
            if idempotency_key not in self._answers:
                self._answers[idempotency_key] = (asked, self._first(asked, idempotency_key))
            known, answer = self._answers[idempotency_key]
            if isinstance(answer, CardDeclined):
                raise answer
            if known != asked:
                raise PermanentError(f"{idempotency_key} was used for another charge")
            return answer.payment_id

    def refund(self, charge_key, *, idempotency_key):
        with self._call("refund"):
            cancelled = (None, CardDeclined("the payment was cancelled"))
            _, answer = self._answers.setdefault(charge_key, cancelled)
            if isinstance(answer, CardDeclined):
                return None
            if idempotency_key not in self._refunds:
                self._refunds[idempotency_key] = answer
                self.refunded.append((idempotency_key, answer))
            return self._refunds[idempotency_key]

    def _first(self, asked, key):
        order_id, amount, currency = asked
        if order_id in self.declined:
            return CardDeclined()
        charge = Charge(f"payment-{key}", amount, currency)
        self.charged.append((order_id, charge))
        return charge
