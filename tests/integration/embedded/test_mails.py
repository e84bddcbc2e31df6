"""SES sends only to legal ASCII addresses."""

import pytest
from support.aws_calls import client, code_of

from workers.addresses import sendable

pytestmark = pytest.mark.integration


@pytest.fixture
def ses(aws):
    assert aws.url
    ses = client("ses")
    ses.verify_email_identity(EmailAddress="shop@example.com")
    return ses


def send(ses, to):
    return ses.send_email, {
        "Source": "shop@example.com",
        "Destination": {"ToAddresses": [to]},
        "Message": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hello"}}},
    }


@pytest.mark.parametrize(
    "to",
    [
        "jörg@example.de",
        "vïctim@münchen.de",
        "ada@bücher.de",
        "Jörg <ada@example.com>",
        "Chan, Karen <ada@example.com>",
        "Karen <ka ren@example.com>",
        "nobody",
        "@example.com",
        "ada@",
        "a b@example.com",
        "ada@exa mple.com",
        "ada,bob@example.com",
        "github:ada@example.com",
        "a@b@example.com",
        ".ada@example.com",
        "a..da@example.com",
        "ada.@example.com",
        "ada@.example.com",
        "ada@example..com",
        "ada@example.com.",
        "ada@example.com%!",
    ],
)
def test_an_address_that_ses_refuses_is_refused(ses, to):
    call, request = send(ses, to)
    assert code_of(call, **request) == "InvalidParameterValue"


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com",
        "Ada+news_x-1@example.com",
        "ada@xn--bcher-kva.de",
        "o'hara!#$%&*/=?^`{|}~@example.com",
        '"a b"@example.com',
        "Karen Chan <ada@example.com>",
        '"Chan, Karen" <ada@example.com>',
    ],
)
def test_an_address_that_ses_accepts_is_accepted(ses, to):
    call, request = send(ses, to)
    assert call(**request)["MessageId"]


@pytest.mark.parametrize(
    "typed", ["Ada+news@EXAMPLE.com", "ada@bücher.example.de", "o'hara@example.com", "a.b@例え.jp"]
)
def test_what_order_api_stores_can_be_sent_to(ses, typed):
    call, request = send(ses, sendable(typed))
    assert call(**request)["MessageId"]
