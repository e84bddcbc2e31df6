"""What SES refuses to send."""

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
def test_an_address_that_is_not_ascii_or_none_at_all_is_refused(ses, to):
    call, request = send(ses, to)
    assert code_of(call, **request) == "InvalidParameterValue"


@pytest.mark.parametrize("to", ["ada@example.com", "ada@xn--bcher-kva.de"])
def test_an_address_in_ascii_is_written_to(ses, to):
    call, request = send(ses, to)
    assert call(**request)["MessageId"]
