"""Requests carry the signatures that the SDK's own signer makes."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from workers.aws.signer import Scope, signed

HEADERS = {"Content-Type": "application/x-amz-json-1.0", "User-Agent": "workers/1"}
SCOPE = Scope("https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "dynamodb")
NEW_YEAR = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


class Session:
    """A session whose credentials the test sets."""

    def __init__(self, *keys):
        self.keys = keys

    def get_credentials(self):
        return self

    def get_frozen_credentials(self):
        return ReadOnlyCredentials(*self.keys)


@pytest.fixture
def at(monkeypatch):
    def set_clock(moment):
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)

    set_clock(NEW_YEAR)
    return set_clock


def by_sdk(session, scope, body):
    request = AWSRequest("POST", f"{scope.endpoint}/", data=body, headers=HEADERS)
    SigV4Auth(session.get_frozen_credentials(), scope.service, scope.region).add_auth(request)
    return request.headers["Authorization"]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("token", [None, "a+token=="])
@pytest.mark.parametrize("body", [b"", b"{}", "größer".encode()])
@pytest.mark.parametrize(
    "scope",
    [
        SCOPE,
        Scope("http://127.0.0.1:4566", "eu-west-1", "sns"),
        Scope("http://h", "us-east-1", "ses"),
    ],
    ids=lambda scope: scope.service,
)
def test_a_signature_is_that_of_the_sdk(token, body, scope):
    session = Session("key", "secret", token)

    assert signed(session, scope, HEADERS, body)["Authorization"] == by_sdk(session, scope, body)


def test_the_key_of_a_day_is_used_for_that_day_and_that_secret_only(at):
    at(datetime(2027, 1, 1, tzinfo=UTC))
    for session in (Session("key", "secret", None), Session("key", "another", None)):
        for scope in (SCOPE, Scope(SCOPE.endpoint, "us-east-1", "dynamodb")):
            told = signed(session, scope, HEADERS, b"{}")

            assert told["Authorization"] == by_sdk(session, scope, b"{}")
            assert told["Host"] == "dynamodb.eu-west-1.amazonaws.com"


def test_a_password_in_the_endpoint_is_no_part_of_the_host():
    scope = Scope("http://ada:secret@127.0.0.1:4566", "eu-west-1", "sns")

    assert signed(Session("key", "secret", None), scope, HEADERS, b"")["Host"] == "127.0.0.1:4566"
