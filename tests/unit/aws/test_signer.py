"""Requests carry the signatures that AWS documents, and that the SDK's own signer makes."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sigv4 import is_signed

from workers.aws.exchanges import Headers
from workers.aws.signer import Scope, signed, signed_at

HEADERS = {"Content-Type": "application/x-amz-json-1.0", "User-Agent": "workers/1"}
SCOPE = Scope("https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "dynamodb")
ENDPOINTS = [
    SCOPE.endpoint,
    "https://123456789012.ddb.eu-west-1.amazonaws.com",
    "https://dynamodb-fips.us-gov-west-1.amazonaws.com",
    "https://ddb.example.com:8443",
    "https://h:443",
    "http://127.0.0.1:4566",
    "http://[::1]:4566",
    "http://h",
]
# Example requests of AWS, of a POST without a body or with a form.
# https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4
EXAMPLE_KEYS = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXAMPLE_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXAMPLES = {
    "post-vanilla": (
        *(None, {}, b"", "host;x-amz-date"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-sts-header-before": (
        *(EXAMPLE_TOKEN, {}, b"", "host;x-amz-date;x-amz-security-token"),
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
    "post-x-www-form-urlencoded": (
        *(None, FORM, b"Param1=value1", "content-type;host;x-amz-date"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


class Session:
    """A session whose credentials the test sets."""

    def __init__(self, *keys):
        self.keys = keys

    def get_credentials(self):
        return self if self.keys else None

    def get_frozen_credentials(self):
        return ReadOnlyCredentials(*self.keys)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_signature_is_the_one_that_aws_published(name):
    token, headers, body, names, signature = EXAMPLES[name]
    keys = ReadOnlyCredentials(*EXAMPLE_KEYS, token)
    scope = Scope("https://example.amazonaws.com", "us-east-1", "service")

    told = signed_at("20150830T123600Z", keys, scope, headers, body)

    assert told["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


VALUES = st.text("aZ09 \t/;=,.#~", max_size=30)
SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


@settings(max_examples=200)
@given(
    scope=st.builds(
        Scope,
        st.sampled_from(ENDPOINTS),
        st.sampled_from(["eu-west-1", "us-gov-west-1"]),
        st.sampled_from(["dynamodb", "sns", "ses", "sqs"]),
    ),
    keys=st.tuples(SECRETS, SECRETS, st.none() | st.just("") | SECRETS),
    headers=st.fixed_dictionaries(
        {"Content-Type": VALUES, "User-Agent": VALUES},
        optional={
            "X-Amz-Target": VALUES,
            "X-Amzn-Trace-Id": VALUES,
            "x-amz-api-version": VALUES,
            "X-Amz-Zone": VALUES,
        },
    ),
    body=st.binary(max_size=100),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - UTC follows
)
def test_a_signature_is_that_of_the_sdk(scope, keys, headers, body, moment):
    credentials, moment = ReadOnlyCredentials(*keys), moment.replace(tzinfo=UTC)
    host = scope.endpoint.split("/")[2]
    request = AWSRequest("POST", f"{scope.endpoint}/", data=body, headers={**headers, "Host": host})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        SigV4Auth(credentials, scope.service, scope.region).add_auth(request)

    told = signed_at(moment.strftime("%Y%m%dT%H%M%SZ"), credentials, scope, headers, body)

    assert told == dict(request.headers.items())


def accepted(told, key, secret):
    headers = Headers({name.lower(): value for name, value in told.items()})
    return is_signed("POST", "/", headers, b"{}", {key: secret})


def test_a_request_is_signed_now_with_the_newest_credentials():
    session = Session("key", "secret", None)
    for _ in range(2):
        before = datetime.now(UTC).replace(microsecond=0)
        told = signed(session, SCOPE, HEADERS, b"{}")

        assert accepted(told, *session.keys[:2])
        sent = datetime.strptime(told["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert before <= sent <= datetime.now(UTC)
        assert told.get("X-Amz-Security-Token") == session.keys[2]
        session.keys = "newer", "another", "token"


def test_nothing_is_signed_without_credentials():
    with pytest.raises(NoCredentialsError):
        signed(Session(), SCOPE, HEADERS, b"")


def test_the_key_of_a_day_is_used_for_that_day_and_that_scope_and_secret_only():
    told = [
        signed_at(moment, ReadOnlyCredentials("key", secret, None), scope, HEADERS, b"{}")
        for moment in ("20261231T235959Z", "20270101T000000Z")
        for secret in ("secret", "another")
        for scope in (
            SCOPE,
            Scope(SCOPE.endpoint, "us-east-1", "dynamodb"),
            Scope(SCOPE.endpoint, "eu-west-1", "sns"),
        )
    ]

    assert len({each["Authorization"][-64:] for each in told}) == 12
    for number, each in enumerate(told):
        secret = "another" if number // 3 % 2 else "secret"
        assert accepted(each, "key", secret)


def test_a_password_in_the_endpoint_is_no_part_of_the_host():
    scope = Scope("http://ada:secret@127.0.0.1:4566", "eu-west-1", "sns")

    assert signed(Session("key", "secret", None), scope, HEADERS, b"")["Host"] == "127.0.0.1:4566"
