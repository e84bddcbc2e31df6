"""A refusal by SES is permanent for a bad mail and an outage for the account or sender.

The texts are those of https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
and https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
"""

import pytest

from workers.aws.ses import SesMailer
from workers.runtime.errors import PermanentError, Unavailable
from workers.runtime.settlement import is_attempt

SENDER = "shop@example.com"
TO = "Ada@example.com"
UNVERIFIED = "Email address is not verified. The following identities failed the check in region"


@pytest.fixture
def ses(stubbed):
    client, stubber = stubbed("ses")
    return stubber, SesMailer(client, SENDER)


def send(mailer):
    mailer.send(TO, "Hello", "Hello", reference="event 1")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("MessageRejected", f"{UNVERIFIED} EU-WEST-1: {SENDER}"),
        ("MessageRejected", f"{UNVERIFIED} EU-WEST-1: {TO}"),  # the sandbox
        ("MessageRejected", f"Email address not verified {SENDER}"),  # the embedded AWS
        ("MessageRejected", "Sending suspended for this account. For more information, please ..."),
        ("MessageRejected", "Sending paused for this account. For more information, please ..."),
        ("MailFromDomainNotVerifiedException", "Mail-From domain is not verified"),
        ("AccountSendingPausedException", "Email sending is disabled"),
        ("ConfigurationSetSendingPausedException", "Email sending is disabled"),
        ("Throttling", "Maximum sending rate exceeded."),
        ("Throttling", "Daily message quota exceeded."),
        ("ThrottlingException", "Daily message quota exceeded."),
        ("AccessDenied", "not authorized to perform: ses:SendEmail"),
        ("ServiceUnavailable", "later"),
    ],
)
def test_a_refusal_of_every_mail_is_an_outage(ses, monkeypatch, code, text):
    monkeypatch.setattr("time.sleep", lambda _: None)  # the SDK repeats what is throttled
    stubber, mailer = ses
    stubber.add_client_error("send_email", code, text, http_status_code=400)

    with pytest.raises(Unavailable) as raised:
        send(mailer)

    assert raised.value.dependency == "ses"
    assert not is_attempt(raised.value)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("MessageRejected", "Message contains a virus"),
        ("MessageRejected", "Address blacklisted."),
        ("InvalidParameterValue", "Missing final '@domain'"),
        ("InvalidParameterValue", "Local address contains control or whitespace"),
        ("InvalidParameterValue", "The local part is not verified to be ASCII"),
    ],
)
def test_a_refusal_of_one_mail_is_permanent(ses, code, text):
    stubber, mailer = ses
    stubber.add_client_error("send_email", code, text, http_status_code=400)

    with pytest.raises(PermanentError, match=text):
        send(mailer)


@pytest.mark.parametrize("text", [f"{UNVERIFIED} EU-WEST-1: {TO}", f"no such box: {TO.lower()}"])
def test_no_refusal_contains_the_customers_address(ses, text):
    stubber, mailer = ses
    stubber.add_client_error("send_email", "MessageRejected", text, http_status_code=400)

    with pytest.raises((PermanentError, Unavailable)) as raised:
        send(mailer)

    assert TO.lower() not in str(raised.value).lower()
    assert raised.value.__cause__ is None
