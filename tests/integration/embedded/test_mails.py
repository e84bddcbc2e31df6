"""SES sends only to ASCII addresses."""

import pytest
from support.aws_calls import client, code_of

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


@pytest.mark.parametrize("to", ["jörg@example.de", "ada@bücher.de", "nobody"])
def test_an_invalid_or_non_ascii_address_is_refused(ses, to):
    call, request = send(ses, to)
    assert code_of(call, **request) == "InvalidParameterValue"


@pytest.mark.parametrize("to", ["ada@example.com", "ada@xn--bcher-kva.de"])
def test_an_ascii_address_is_accepted(ses, to):
    call, request = send(ses, to)
    assert call(**request)["MessageId"]
