"""A response that does not come from AWS is an outage, whatever it says."""

import pytest
from support.adapter_calls import (
    BY_WIRE,
    EVERY_CALL,
    dead_letter,
    delete,
    mail,
    queue,
    recall,
    receive,
)

from workers.runtime.errors import FatalError, Unavailable

EVERY = pytest.mark.parametrize("call", EVERY_CALL, ids=lambda call: call.__name__)
HTML = b"<html>welcome to the hotel</html>"


@EVERY
def test_a_success_that_aws_did_not_send_is_an_outage(stub, connected, call):
    for body in (b"", b"{}", b"[]", b"null", HTML):
        stub.told, stub.body = {}, body

        with pytest.raises(Unavailable):
            call(connected)


@EVERY
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 421])
def test_a_refusal_that_aws_did_not_send_is_an_outage(stub, connected, call, status):
    for body in (b"", b"{}", HTML):
        stub.told, stub.status, stub.body = {}, status, body

        with pytest.raises(Unavailable):
            call(connected)


@pytest.mark.parametrize("call", BY_WIRE, ids=lambda call: call.__name__)
@pytest.mark.parametrize("body", [b"", b"[]", b'{"Messages": [{}]}', HTML], ids=repr)
def test_an_unreadable_response_from_aws_fails_the_call(stub, connected, call, body):
    stub.body = body

    with pytest.raises((Unavailable, LookupError)):  # as a whole, or as the code of the entry
        call(connected)


def test_a_redirect_does_not_receive_a_signed_request(stub, connected):
    stub.status, stub.told = 307, {"Location": f"{stub.url}/elsewhere"}

    for call in (receive, delete):
        with pytest.raises(Unavailable):
            call(connected)

    assert [path for _, path, _ in stub.requests] == ["/", "/"]


def test_a_413_from_a_proxy_does_not_end_a_thread_of_the_loop(stub, connected):
    stub.told, stub.status = {}, 413

    for call in (receive, delete):
        with pytest.raises(Unavailable):
            call(connected)


def test_an_error_from_aws_is_read_as_usual(stub, connected):
    stub.status, stub.body = 400, b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}'

    with pytest.raises(FatalError):
        receive(connected)


def test_an_empty_response_from_aws_is_an_empty_queue_or_a_missing_document(stub, connected):
    assert queue(connected).receive(10, 0) == []
    assert recall(connected) is None
    assert len(stub.requests) == 2


def test_a_sent_dead_letter_needs_an_id_from_sqs(stub, connected):
    with pytest.raises(Unavailable):
        dead_letter(connected)

    stub.body = b'{"MessageId": "1"}'
    dead_letter(connected)


def test_a_sent_mail_needs_an_id_from_ses(stub, connected):
    answer = (
        b"<SendEmailResponse><SendEmailResult>%s</SendEmailResult>"
        b"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendEmailResponse>"
    )
    stub.told, stub.body = {}, answer % b""  # without the header, like LocalStack
    with pytest.raises(Unavailable):
        mail(connected)

    stub.body = answer % b"<MessageId>1</MessageId>"
    mail(connected)
