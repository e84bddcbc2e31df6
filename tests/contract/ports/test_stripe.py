"""``StripeGateway`` on a server that behaves as Stripe documents. Money moves once, whatever fails.

test_gateway.py has what every gateway does.
"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from support.builders import a_decline
from support.stripe import (
    DECLINES,
    SECRET,
    VISA,
    answering,
    garbled,
    lost_answer,
    lost_request,
    server_error,
    server_error_afterwards,
)

from workers.gateways import stripe_api
from workers.gateways.stripe import StripeGateway
from workers.gateways.stripe_api import StripeApi
from workers.runtime.errors import PermanentError, Unavailable
from workers.services.payment import CardDeclined, Charge, Payer

pytestmark = pytest.mark.integration

CREATE = r"POST /v1/payment_intents"
CONFIRM = r"POST /v1/payment_intents/\w+/confirm"
CANCEL = r"POST /v1/payment_intents/\w+/cancel"
READ = r"GET /v1/payment_intents/\w+"
REFUND = r"POST /v1/refunds"
AMOUNT = Decimal("24.60")
CARD = Payer(payment_method=VISA)


@pytest.fixture
def charge(stripe_gateway):
    def charge(payer=CARD, amount=AMOUNT, currency="EUR"):
        return stripe_gateway.charge(
            "order-1", amount, currency, idempotency_key="charge-order-1", payer=payer
        )

    return charge


@pytest.fixture
def refund(stripe_gateway):
    return lambda: stripe_gateway.refund("charge-order-1", idempotency_key="refund-order-1")


# What Stripe is asked


def test_a_charge_creates_an_unconfirmed_intent_and_then_confirms_it(charge, stripe):
    assert charge() == "pi_1"

    assert [request[:2] for request in stripe.requests] == [
        ("POST", "/v1/payment_intents"),
        ("POST", "/v1/payment_intents/pi_1/confirm"),
    ]
    (intent,) = stripe.intents.values()
    assert (intent["amount"], intent["currency"], intent["status"]) == (2460, "eur", "succeeded")
    assert intent["metadata"] == {"order_id": "order-1", "idempotency_key": "charge-order-1"}
    assert all(key for *_, key, _headers in stripe.requests)


def test_a_refund_reads_the_intent_and_then_returns_its_money(charge, refund, stripe):
    charge()
    stripe.requests.clear()

    refund()

    assert [(method, path, bool(key)) for method, path, _, key, _ in stripe.requests] == [
        ("GET", "/v1/payment_intents/pi_1", False),
        ("POST", "/v1/refunds", True),
    ]


def test_every_request_names_the_version_of_the_api(charge, refund, stripe):
    charge()
    refund()

    versions = {headers["Stripe-Version"] for *_, headers in stripe.requests}
    assert versions == {stripe_api.API_VERSION}


def test_a_customer_of_stripe_is_charged_as_such(charge, stripe):
    charge(Payer("cus_1", VISA))

    assert stripe.intents["pi_1"]["customer"] == "cus_1"


def test_any_other_customer_id_goes_to_the_records(charge, stripe):
    charge(Payer("customer-1", VISA))

    assert stripe.intents["pi_1"]["customer"] is None
    assert stripe.intents["pi_1"]["metadata"]["customer_id"] == "customer-1"


# Declines


@pytest.mark.parametrize("method", DECLINES)
def test_a_decline_has_the_text_that_stripe_has_for_the_customer(charge, stripe, method):
    with pytest.raises(CardDeclined) as decline:
        charge(Payer(payment_method=method))

    assert str(decline.value) == DECLINES[method][2]
    assert stripe.paid == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Your card was declined.\r\nBcc: all", "Your card was declined.Bcc: all"),
        ("x" * 900, "x" * 500),
        ("", "the card was declined"),
    ],
)
def test_the_reason_of_a_decline_fits_into_an_event(charge, stripe, text, reason):
    stripe.fail_next(CONFIRM, lambda *_: (402, {"error": {"type": "card_error", "message": text}}))

    with pytest.raises(CardDeclined) as decline:
        charge()

    assert a_decline(reason=str(decline.value)).reason == reason


def test_a_card_is_not_tried_again_after_a_decline(charge, stripe):
    reasons = []
    for _ in range(3):
        with pytest.raises(CardDeclined) as decline:
            charge(Payer(payment_method="pm_card_chargeDeclinedExpiredCard"))
        reasons.append(str(decline.value))
        stripe.forget_keys()

    assert reasons == ["Your card has expired."] * 3
    assert len(stripe.intents) == 1


def test_an_order_without_a_payment_method_is_declined_unasked(charge, stripe):
    with pytest.raises(CardDeclined, match="names no payment method"):
        charge(Payer("cus_1"))

    assert stripe.requests == []


def test_an_unknown_payment_method_is_declined(charge):
    with pytest.raises(CardDeclined, match="the payment method is not valid"):
        charge(Payer(payment_method="pm_nobody"))


@pytest.mark.parametrize(
    ("amount", "reason"), [("0.49", "too small"), ("0", "too small"), ("1000000", "too large")]
)
def test_an_amount_that_stripe_does_not_charge_is_declined(charge, amount, reason):
    with pytest.raises(CardDeclined, match=f"the amount is {reason}"):
        charge(amount=Decimal(amount))


def test_an_amount_that_the_currency_cannot_express_is_declined_unasked(charge, stripe):
    with pytest.raises(CardDeclined, match=r"24\.60 JPY cannot be charged"):
        charge(currency="JPY")

    assert stripe.requests == []


# Failures


@pytest.mark.parametrize("step", [CREATE, CONFIRM], ids=["create", "confirm"])
@pytest.mark.parametrize("fault", [lost_request, lost_answer])
def test_an_unclear_charge_is_repeated_with_the_same_key(charge, stripe, step, fault):
    stripe.fail_next(step, fault)

    with pytest.raises(Unavailable):
        charge()
    assert charge() == charge() == stripe.paid[0]

    assert len(stripe.paid) == 1
    assert len({key for *_, key, _headers in stripe.made(step)}) == 1


@pytest.mark.parametrize("step", [CREATE, CONFIRM], ids=["create", "confirm"])
@pytest.mark.parametrize("fault", [server_error, server_error_afterwards])
def test_a_server_error_is_not_asked_for_again(charge, stripe, step, fault):
    """Stripe would repeat it for a day."""
    stripe.fail_next(step, fault)

    with pytest.raises(Unavailable):
        charge()
    assert charge() == stripe.paid[0]

    assert len(stripe.paid) == 1


@pytest.mark.parametrize(
    "fault", [lost_request, lost_answer, server_error, server_error_afterwards]
)
def test_a_refund_that_fails_is_made_once(charge, refund, stripe, fault):
    payment = charge()
    stripe.fail_next(REFUND, fault)

    with pytest.raises(Unavailable):
        refund()
    assert refund() == refund() == Charge(payment, AMOUNT, "EUR")

    assert stripe.refunded == [payment]


def test_a_charge_is_made_once_when_stripe_has_forgotten_its_key(charge, stripe):
    stripe.fail_next(CONFIRM, lost_answer)
    with pytest.raises(Unavailable):
        charge()
    stripe.forget_keys()

    assert [charge()] == stripe.paid


def test_a_refund_is_made_once_when_stripe_has_forgotten_its_key(charge, refund, stripe):
    charge()
    stripe.fail_next(REFUND, lost_answer)
    with pytest.raises(Unavailable):
        refund()
    stripe.forget_keys()

    assert refund() == Charge("pi_1", AMOUNT, "EUR")
    assert stripe.refunded == ["pi_1"]


@pytest.mark.parametrize("step", [CREATE, CONFIRM, REFUND], ids=["create", "confirm", "refund"])
@pytest.mark.parametrize(
    "fault",
    [
        answering(401),
        answering(403),
        answering(409, code="idempotency_key_in_use"),
        answering(424, "api_error"),
        answering(429, code="lock_timeout"),
        answering(429, code="rate_limit"),
        answering(503, "api_error"),
        garbled(200),
        garbled(403),
        garbled(404),
        garbled(502),
    ],
)
def test_a_failure_of_the_environment_is_no_fault_of_the_order(charge, refund, stripe, step, fault):
    if step == REFUND:
        charge()
    stripe.fail_next(step, fault)

    with pytest.raises(Unavailable) as failure:
        refund() if step == REFUND else charge()

    assert failure.value.dependency == "payment-gateway"
    assert charge() == "pi_1"


@pytest.mark.parametrize(
    "fault",
    [
        answering(400, code="parameter_missing"),
        answering(404, code="resource_missing"),
        answering(400, "idempotency_error"),
    ],
)
@pytest.mark.parametrize("step", [CREATE, CONFIRM], ids=["create", "confirm"])
def test_a_request_that_stripe_never_accepts_is_a_permanent_error(charge, stripe, step, fault):
    stripe.fail_next(step, fault)

    with pytest.raises(PermanentError, match=r"payment-gateway: 40\d .* \(req_1\)"):
        charge()


def test_no_error_quotes_a_token_or_the_key(charge, stripe):
    told = {"error": {"type": "invalid_request_error", "message": f"No such {VISA} {SECRET}"}}
    for step in (CREATE, CONFIRM):
        stripe.fail_next(step, lambda *_: (400, told))
        with pytest.raises(PermanentError) as failure:
            charge()
        assert VISA not in str(failure.value)
        assert SECRET not in str(failure.value)


def test_neither_the_key_nor_a_token_is_in_a_representation(stripe_gateway):
    assert SECRET not in repr(stripe_gateway)
    assert VISA not in repr(CARD)


def test_a_wrong_key_is_a_failure_of_the_environment(stripe, stripe_gateway):
    api = StripeApi.connect(stripe.url, "sk_test_wrong", connections=1)
    gateway = StripeGateway(api, stripe_gateway.ledger)

    with pytest.raises(Unavailable, match="401"):
        gateway.charge("order-1", AMOUNT, "EUR", idempotency_key="k", payer=CARD)


def test_a_server_that_does_not_answer_in_time_is_unavailable(stripe, stripe_gateway, monkeypatch):
    monkeypatch.setattr(stripe_api, "READ_TIMEOUT", 0.05)
    api = StripeApi.connect(stripe.url, SECRET, connections=1)
    gateway = StripeGateway(api, stripe_gateway.ledger)
    stripe.fail_next(CONFIRM, lambda server, execute, _: (execute(), server.over.wait(2))[0])

    with pytest.raises(Unavailable, match="ReadTimeoutError"):
        gateway.charge("order-1", AMOUNT, "EUR", idempotency_key="k", payer=CARD)

    stripe.over.set()
    assert [
        gateway.charge("order-1", AMOUNT, "EUR", idempotency_key="k", payer=CARD)
    ] == stripe.paid


def test_the_key_is_not_sent_to_another_address(charge, stripe):
    """A redirect is not followed."""
    stripe.fail_next(CREATE, lambda *_: (307, "<a>elsewhere</a>"))

    with pytest.raises(Unavailable):
        charge()

    assert len(stripe.requests) == 1


# A refund that comes while a charge is being made


def test_a_refund_before_the_intent_is_recorded_wins(charge, refund, stripe):
    refunds = []

    def refunding(_stripe, execute, _key):
        answer = execute()
        refunds.append(refund())
        return answer

    stripe.fail_next(CREATE, refunding)

    for _ in range(2):
        with pytest.raises(CardDeclined, match="the payment was cancelled"):
            charge()
    assert (refunds, stripe.paid, stripe.refunded) == ([None], [], [])


def test_a_refund_before_the_intent_is_confirmed_cancels_it(charge, refund, stripe):
    stripe.fail_next(CONFIRM, lost_request)
    with pytest.raises(Unavailable):
        charge()

    assert refund() is None

    for _ in range(2):
        with pytest.raises(CardDeclined, match="the payment was cancelled"):
            charge()
        stripe.forget_keys()
    assert (stripe.paid, stripe.refunded) == ([], [])
    assert refund() is None


def test_a_refund_after_a_lost_confirmation_returns_the_money(charge, refund, stripe):
    stripe.fail_next(CONFIRM, lost_answer)
    with pytest.raises(Unavailable):
        charge()

    assert refund() == Charge("pi_1", AMOUNT, "EUR")
    assert stripe.refunded == stripe.paid == ["pi_1"]


def test_an_intent_that_is_paid_while_it_is_being_cancelled_is_refunded(charge, refund, stripe):
    stripe.fail_next(CONFIRM, lost_request)
    with pytest.raises(Unavailable):
        charge()

    def paying(_stripe, execute, _key):
        charge()
        return execute()

    stripe.fail_next(CANCEL, paying)
    with pytest.raises(Unavailable, match="cannot be cancelled yet"):
        refund()

    assert refund() == Charge("pi_1", AMOUNT, "EUR")
    assert stripe.refunded == stripe.paid == ["pi_1"]


def test_an_intent_that_is_processing_is_asked_for_again(charge, stripe):
    def processing(server, execute, key):
        execute()
        server.save(key, (200, server.intents["pi_1"] | {"status": "processing"}))
        server.intents["pi_1"]["status"] = "processing"
        return server.keys[key][2]

    stripe.fail_next(CONFIRM, processing)
    with pytest.raises(Unavailable, match="is processing"):
        charge()
    stripe.intents["pi_1"]["status"] = "succeeded"

    assert charge() == "pi_1"


def test_a_declined_payment_has_nothing_to_refund(charge, refund, stripe):
    with pytest.raises(CardDeclined):
        charge(Payer(payment_method="pm_card_visa_chargeDeclined"))

    assert refund() is None
    assert stripe.intents["pi_1"]["status"] == "canceled"


def test_a_refund_made_by_hand_counts(charge, refund, stripe):
    stripe.refunded.append(charge())

    assert refund() == Charge("pi_1", AMOUNT, "EUR")
    assert stripe.refunded == ["pi_1"]


def test_a_refund_that_the_bank_refuses_is_a_permanent_error(charge, refund, stripe):
    charge()
    stripe.refund_status = "failed"

    with pytest.raises(PermanentError, match="refund re_1 has failed"):
        refund()


@pytest.mark.parametrize("round_", range(5))
def test_charges_and_refunds_at_once_leave_no_money(stripe_gateway, stripe, round_):
    """Ten threads charge or refund one order: it ends refunded or never charged."""
    order = f"order-{round_}"

    def act(number):
        try:
            if number % 2:
                return stripe_gateway.refund(f"charge-{order}", idempotency_key=f"refund-{order}")
            return stripe_gateway.charge(
                order, AMOUNT, "EUR", idempotency_key=f"charge-{order}", payer=CARD
            )
        except (CardDeclined, Unavailable):
            return None

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(act, range(10)))
    act(1)

    assert sorted(stripe.paid) == sorted(stripe.refunded)
    assert len(stripe.paid) <= 1
