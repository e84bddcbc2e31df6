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
from support.fakes import FakeClock, FakeMailer, Mail

from workers.events import Simulation
from workers.runtime.errors import Conflict, TransientError, Unavailable
from workers.services.notification import Notification

OPERATIONS = "operations@example.com"


@pytest.fixture
def mailer():
    return FakeMailer()


@pytest.fixture
def notification(mailer, on_stage):
    return on_stage(Notification(mailer, OPERATIONS, FakeClock().now))


@pytest.mark.parametrize(
    ("news", "template", "words"),
    [
        (an_order(), "order-received", ["2 x tea at 12.30", "Total: 24.60 EUR"]),
        (a_confirmation(), "order-confirmation", ["your payment of 24.60 EUR was successful"]),
        (a_payment(), "payment-receipt", ["24.60 EUR", "Payment ID: pay-1"]),
        (a_decline(), "payment-declined", ["could not charge 24.60 EUR", "the card was declined"]),
        (a_refund(), "refund-notice", ["have refunded 24.60 EUR", "Payment ID: pay-1"]),
        (a_shipment(), "shipping-notification", ["Tracking number: track-1"]),
        (a_shipment(tracking_number=None), "shipping-notification", ["number: not available"]),
        (a_cancellation(), "cancellation-confirmation", ["cancelled: changed my mind."]),
        (a_shortage(), "out-of-stock", ["tea: 2 ordered, 1 available"]),
    ],
)
def test_the_customer_is_told(notification, mailer, news, template, words):
    assert notification.handle(news) == ()

    (mail,) = mailer.sent
    assert mail.to == "ada@example.com"
    assert mail.reference == f"{template}-order-1"
    assert "order-1" in mail.subject
    assert [word for word in words if word not in mail.body] == []


def test_a_mail_lists_the_order_lines_and_the_total(notification, mailer):
    notification.handle(an_order())

    assert mailer.sent == [
        Mail(
            to="ada@example.com",
            subject="We received your order order-1",
            body=(
                "Thank you for your order order-1.\n\n"
                "2 x tea at 12.30\n\n"
                "Total: 24.60 EUR\n\n"
                "We will email you when your order is confirmed.\n"
            ),
            reference="order-received-order-1",
        )
    ]


def test_operations_are_told_what_runs_low(notification, mailer):
    notification.handle(low_stock())

    (mail,) = mailer.sent
    assert mail.to == OPERATIONS
    assert "tea: 3 left, reorder threshold 5" in mail.body


@pytest.mark.parametrize("news", [a_refund_request(), a_reservation(), a_release()])
def test_some_events_send_no_mail(notification, mailer, news):
    assert notification.handle(news) == ()
    assert mailer.sent == []


def test_a_sent_mail_is_recorded_without_the_address(notification):
    notification.handle(an_order())

    assert notification.store.documents == {
        "sent#order-received-order-1": {
            "template": "order-received",
            "sentAt": "2025-06-15T15:06:40+00:00",
        }
    }


def test_the_same_news_under_another_event_id_is_not_sent_again(notification, mailer):
    notification.handle(a_payment())
    notification.handle(a_payment())

    assert len(mailer.sent) == 1


def test_a_mail_is_sent_again_rather_than_lost(notification, mailer):
    mailer.fail_next("send", Unavailable(dependency="ses"), lost_reply=True)

    with pytest.raises(Unavailable):
        notification.handle(an_order())
    notification.handle(an_order())

    assert len(mailer.sent) == 2


def test_braces_in_a_reason_are_plain_text(notification, mailer):
    notification.handle(a_cancellation(reason="{customer_email} {0} {{"))

    assert "{customer_email} {0} {{" in mailer.sent[0].body


def test_a_simulated_failure_is_transient(mailer, on_stage):
    service = Notification(mailer, OPERATIONS, FakeClock().now, allow_simulation=True)
    order = an_order(simulation=Simulation(technical_failure="notification"))

    with pytest.raises(TransientError, match="notification is broken"):
        on_stage(service).handle(order)
    assert mailer.sent == []


def test_simulations_are_ignored_where_they_are_not_allowed(notification, mailer):
    notification.handle(an_order(simulation=Simulation(technical_failure="notification")))

    assert len(mailer.sent) == 1


def test_a_worker_that_was_overtaken_does_not_record_its_mail(notification):
    slow = notification.store.begin("slow")
    notification.service.notify_customer(a_payment(), slow)
    notification.handle(a_payment())

    with pytest.raises(Conflict):
        notification.store.commit(slow, ())
