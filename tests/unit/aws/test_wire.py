"""The receive loop's SQS client: signatures, retries, connections."""

import pytest
from support.adapter_calls import (
    EVERY_CALL,
    change_visibility,
    commit,
    dead_letter,
    delete,
    receive,
)

from workers.aws.clients import Clients, Patience
from workers.aws.connections import Connections
from workers.runtime.errors import FatalError, Unavailable
from workers.settings import Settings

EVERY = pytest.mark.parametrize("call", EVERY_CALL, ids=lambda call: call.__name__)
DONE = b'{"Successful": [{"Id": "0"}], "Failed": [], "MessageId": "1"}'


@EVERY
def test_a_request_is_signed_with_the_secret_over_the_bytes_that_are_sent(stub, connected, call):
    stub.secrets = {"test": "another"}
    with pytest.raises((FatalError, Unavailable)) as refused:
        call(connected)
    assert "InvalidSignature" in str(refused.value) or "SignatureDoesNotMatch" in str(refused.value)


@pytest.mark.parametrize("call", [receive, delete, change_visibility, dead_letter, commit])
def test_a_body_altered_after_it_was_signed_is_refused(stub, connected, monkeypatch, call):
    def altered(connections, headers, body, post=Connections.post):
        return post(connections, headers, body + b" ")

    stub.body = DONE
    call(connected)  # as it was signed
    monkeypatch.setattr(Connections, "post", altered)

    with pytest.raises(FatalError, match="InvalidSignature"):
        call(connected)


@pytest.mark.parametrize("call", [delete, change_visibility, dead_letter])
@pytest.mark.parametrize("resets", [{1}, {1, 2}])
def test_idempotent_requests_are_repeated_when_a_connection_breaks(stub, connected, call, resets):
    stub.body, stub.resets = DONE, resets

    call(connected)

    assert len(stub.requests) == len(resets) + 1
    assert len({body for _, _, body in stub.requests}) == 1


def test_a_request_is_repeated_twice_and_then_left_to_the_loop(stub, connected):
    stub.resets = set(range(1, 10))

    with pytest.raises(Unavailable):
        delete(connected)

    assert len(stub.requests) == 3


def test_a_receive_is_never_repeated(stub, connected):
    stub.resets = {1}

    with pytest.raises(Unavailable):
        receive(connected)

    assert len(stub.requests) == 1


def test_a_request_without_a_response_is_not_repeated(stub, connected, monkeypatch):
    assert connected  # the environment is that of the stub
    monkeypatch.setattr("workers.aws.clients.PATIENT", Patience(read=0.2))
    stub.silent = True

    with pytest.raises(Unavailable):
        delete(Clients.connect(Settings(), threads=1))

    assert len(stub.requests) == 1


@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_retry_after_header_does_not_delay_the_loop(stub, connected, status):
    stub.status, stub.told = status, stub.told | {"Retry-After": "3600"}

    with pytest.raises(Unavailable, match=str(status)):
        delete(connected)

    assert len(stub.requests) == 1


def test_a_connection_is_reused(stub, connected):
    stub.body, before = DONE, stub.connections
    settle = connected.settle()

    for _ in range(5):
        settle.delete_message_batch(QueueUrl="queue", Entries=[])

    assert len(stub.requests) == 5
    assert stub.connections - before <= 1


def test_the_sdk_repeats_a_request_whose_connection_breaks(stub, connected):
    """The SDK's clients, too, repeat requests whose connection broke, including a POST."""
    stub.resets = {1}

    assert connected.dynamodb().get_item(TableName="payment", Key={"pk": {"S": "1"}})

    assert len(stub.requests) == 2
