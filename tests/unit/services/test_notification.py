"""Customers are told once what happened to their orders; operations, what runs low."""

import pytest
from support.builders import (
    a_cancellation,
    a_confirmation,
    a_decline,
    a_payment,
    a_refund,
    a_refund_request,
    a_release,
    a_reservation,
    a_shipment,
    a_shortage,
    an_order,
    low_stock,
)
from support.fakes import FakeAllowance, FakeClock, FakeMailer, Mail

from workers.addresses import ERASED
from workers.events import Simulation
from workers.runtime.errors import Conflict, TransientError, Unavailable
from workers.services.lifecycle import OUT_OF_STOCK, PAYMENT_FAILED
from workers.services.notification import MAILS_PER_HOUR, Notification
from workers.services.templates import TEMPLATES

OPERATIONS = "operations@example.com"
BAIT = "win a prize at https://evil.example/x now"


@pytest.fixture
def mailer():
    return FakeMailer()


@pytest.fixture
def allowance():
    return FakeAllowance()


@pytest.fixture
def notification(mailer, allowance, on_stage):
    return on_stage(Notification(mailer, allowance, OPERATIONS, FakeClock().now))


@pytest.mark.parametrize(
    ("news", "template", "words"),
    [
        (a_confirmation(), "order-confirmation", ["your payment of 24.60 EUR was successful"]),
        (a_shipment(), "shipping-notification", ["Tracking number: track-1"]),
        (a_shipment(tracking_number=None), "shipping-notification", ["number: not available"]),
        (a_cancellation(), "cancellation-confirmation", ["has been cancelled.\n"]),
        (
            a_cancellation(reason=PAYMENT_FAILED),
            "cancellation-confirmation",
            ["has been cancelled: the payment failed.\n"],
        ),
        (
            a_cancellation(reason=OUT_OF_STOCK),
            "cancellation-confirmation",
            ["has been cancelled: some items are out of stock.\n"],
        ),
        (a_refund_request(), "refund-notice", ["refunding your order order-1 in full"]),
    ],
)
def test_the_customer_is_told(notification, mailer, news, template, words):
    assert notification.handle(news) == ()

    (mail,) = mailer.sent
    assert mail.to == "ada@example.com"
    assert mail.reference == f"{template}-order-1"
    assert "order-1" in mail.subject
    assert [word for word in words if word not in mail.body] == []


def test_a_mail_names_the_order_and_the_money(notification, mailer):
    notification.handle(a_confirmation())

    assert mailer.sent == [
        Mail(
            to="ada@example.com",
            subject="Your order order-1 is confirmed",
            body=(
                "Thank you for your order order-1. It is confirmed: your payment of 24.60 EUR was "
                "successful and all items are in stock.\n"
                "We will email you when your order ships.\n"
            ),
            reference="order-confirmation-order-1",
        )
    ]


@pytest.mark.parametrize(
    "news",
    [
        a_cancellation(reason=BAIT),
        a_refund_request(reason=BAIT),
        a_shipment(tracking_number="https:evil.example"),
        a_shipment(tracking_number="evil.example"),
        a_confirmation(order_id="evil.example:80"),
        a_cancellation(order_id="https:www.evil.example"),
    ],
)
def test_no_mail_has_the_text_of_a_client(notification, mailer, news):
    notification.handle(news)

    (mail,) = mailer.sent
    assert "evil" not in f"{mail.subject} {mail.body}"


def test_every_mail_to_a_customer_leaves_out_every_text_that_could_be_a_link():
    fields = {"order_id": "a.b", "tracking_number": "a.b", "reason": "a.b"}
    builders = (a_confirmation, a_shipment, a_cancellation, a_refund_request, a_refund)
    for build in builders:
        event = build()
        hostile = event.model_copy(
            update={name: text for name, text in fields.items() if hasattr(event, name)}
        )
        assert "a.b" not in "".join(TEMPLATES[type(event)].render(hostile))
    told = {type(build()) for build in builders} | {type(low_stock())}
    assert told == TEMPLATES.keys()


@pytest.mark.parametrize(
    "story",
    [
        [an_order(), a_payment(), a_shortage(), a_cancellation(reason=OUT_OF_STOCK), a_refund()],
        [an_order(), a_decline(), a_reservation(), a_cancellation(reason=PAYMENT_FAILED)],
        [an_order(), a_decline(), a_shortage(), a_release(), a_cancellation(reason=OUT_OF_STOCK)],
    ],
)
def test_an_order_that_fails_sends_one_mail_in_any_order_of_events(notification, mailer, story):
    for event in (*story, *reversed(story)):
        notification.handle(event)

    assert [mail.reference for mail in mailer.sent] == ["cancellation-confirmation-order-1"]


@pytest.mark.parametrize(
    "news",
    [
        an_order(),
        a_payment(),
        a_decline(),
        a_reservation(),
        a_shortage(),
        a_release(),
        a_refund(),
    ],
)
def test_reports_and_new_orders_send_no_mail(notification, mailer, news):
    assert notification.handle(news) == ()
    assert mailer.sent == []


def test_a_refund_of_a_shipped_order_is_told_once_by_either_event(notification, mailer):
    notification.handle(a_shipment())
    mailer.sent.clear()

    for event in (a_refund(), a_refund_request(), a_refund()):  # an earlier version mails a_refund
        notification.handle(event)

    assert [mail.reference for mail in mailer.sent] == ["refund-notice-order-1"]


def test_operations_are_told_what_runs_low(notification, mailer, allowance):
    notification.handle(low_stock())

    (mail,) = mailer.sent
    assert mail.to == OPERATIONS
    assert "tea: 3 left, reorder threshold 5" in mail.body
    assert allowance.taken == {}


def test_a_sent_mail_is_recorded_without_the_address(notification):
    notification.handle(a_confirmation())

    assert notification.store.documents == {
        "sent#order-confirmation-order-1": {
            "template": "order-confirmation",
            "sentAt": "2025-06-15T15:06:40+00:00",
        }
    }


def test_a_mail_over_the_limit_is_recorded_and_never_sent(notification, mailer):
    for number in range(MAILS_PER_HOUR + 1):
        notification.handle(a_confirmation(order_id=f"order-{number}"))

    assert len(mailer.sent) == MAILS_PER_HOUR
    last = f"sent#order-confirmation-order-{MAILS_PER_HOUR}"
    assert notification.document(last) == {
        "template": "order-confirmation",
        "withheldAt": "2025-06-15T15:06:40+00:00",
        "reason": "hourly limit",
    }
    notification.handle(a_confirmation(order_id="order-0", customer_email="bob@example.com"))
    notification.handle(a_confirmation(order_id="order-x", customer_email="bob@example.com"))
    assert [mail.to for mail in mailer.sent].count("bob@example.com") == 1


def test_a_mail_that_may_have_been_sent_takes_no_second_place(notification, mailer, allowance):
    mailer.fail_next("send", Unavailable(dependency="ses"), lost_reply=True)

    with pytest.raises(Unavailable):
        notification.handle(a_confirmation())
    notification.handle(a_confirmation())

    assert allowance.taken == {"ada@example.com": {"order-confirmation-order-1"}}


def test_an_erased_customer_gets_no_mail_and_the_reason_is_on_record(notification, mailer):
    notification.handle(a_shipment(customer_email=ERASED))
    for event in (a_refund_request(customer_email=ERASED), a_refund(customer_email=ERASED)):
        notification.handle(event)

    assert mailer.sent == []
    assert notification.document("sent#refund-notice-order-1") == {
        "template": "refund-notice",
        "withheldAt": "2025-06-15T15:06:40+00:00",
        "reason": "address erased",
    }


def test_the_same_news_under_another_event_id_is_not_sent_again(notification, mailer):
    notification.handle(a_confirmation())
    notification.handle(a_confirmation())

    assert len(mailer.sent) == 1


def test_a_mail_is_sent_again_rather_than_lost(notification, mailer):
    mailer.fail_next("send", Unavailable(dependency="ses"), lost_reply=True)

    with pytest.raises(Unavailable):
        notification.handle(a_confirmation())
    notification.handle(a_confirmation())

    assert len(mailer.sent) == 2


def test_no_mail_is_sent_while_the_limit_cannot_be_read(notification, mailer, allowance):
    allowance.fail_next("take", Unavailable(dependency="dynamodb"))

    with pytest.raises(Unavailable):
        notification.handle(a_confirmation())

    assert (mailer.sent, notification.store.documents) == ([], {})


def test_a_simulated_failure_is_transient(mailer, allowance, on_stage):
    clock = FakeClock().now
    service = Notification(mailer, allowance, OPERATIONS, clock, allow_simulation=True)
    order = an_order(simulation=Simulation(technical_failure="notification"))

    with pytest.raises(TransientError, match="notification is broken"):
        on_stage(service).handle(order)
    assert mailer.sent == []


def test_simulations_are_ignored_where_they_are_not_allowed(notification):
    notification.handle(an_order(simulation=Simulation(technical_failure="notification")))


def test_a_worker_that_was_overtaken_does_not_record_its_mail(notification):
    slow = notification.store.begin("slow")
    notification.service.notify_customer(a_confirmation(), slow)
    notification.handle(a_confirmation())

    with pytest.raises(Conflict):
        notification.store.commit(slow, ())
