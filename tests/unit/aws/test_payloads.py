"""No answer of S3 is the fault of a message."""

import io

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    IncompleteReadError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody

from workers.aws.payloads import TIMEOUT, S3Payloads, lifecycle_of
from workers.runtime.errors import FatalError, Missing, Unavailable

KNOWN = {"RequestId": "request-1"}


class Client:
    """Answers with what it is given, or raises it."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = {}

    def put_object(self, **asked):
        self.asked = asked
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    get_object = get_bucket_lifecycle_configuration = put_object


class Stream(io.BytesIO):
    """A body that counts what is read of it."""

    read_bytes = 0

    def read(self, *args):
        chunk = super().read(*args)
        self.read_bytes += len(chunk)
        return chunk


def error(code, status):
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


def a_body(raw, length=None, metadata=KNOWN):
    length = len(raw) if length is None else length
    body = StreamingBody(raw if isinstance(raw, io.BytesIO) else io.BytesIO(raw), length)
    return {"Body": body, "ContentLength": length, "ResponseMetadata": metadata}


def asking(answer, **named):
    return S3Payloads(Client(answer), "bucket", "123456789012", **named)


@pytest.mark.parametrize(
    ("failure", "meant", "dependency"),
    [
        (error("SlowDown", 503), Unavailable, "s3"),
        (error("InternalError", 500), Unavailable, "s3"),
        (error("RequestTimeout", 400), Unavailable, "s3"),
        (error("503", 503), Unavailable, "s3"),
        (error("ExpiredToken", 400), Unavailable, "credentials"),
        (NoCredentialsError(), Unavailable, "credentials"),
        (ConnectTimeoutError(endpoint_url="x"), Unavailable, "s3"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Unavailable, "s3"),
        (ResponseStreamingError(error="broken"), Unavailable, "s3"),
        (error("NoSuchKey", 404), Missing, "s3"),
        (error("NoSuchBucket", 404), FatalError, ""),
        (error("AccessDenied", 403), FatalError, ""),
        (error("AuthorizationHeaderMalformed", 400), FatalError, ""),
        (error("PermanentRedirect", 301), Unavailable, "s3"),
        (error("KMS.DisabledException", 400), FatalError, ""),
        (error("InvalidToken", 400), FatalError, ""),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["get", "put"])
def test_a_failure_is_an_outage_or_a_missing_object(method, failure, meant, dependency):
    payloads = asking(failure)
    call = payloads.get if method == "get" else payloads.put
    with pytest.raises(meant) as raised:
        call("key", 10 if method == "get" else b"body")
    assert type(raised.value) is meant
    assert getattr(raised.value, "dependency", "") == dependency


@pytest.mark.parametrize("method", ["get", "put"])
def test_an_answer_that_is_not_from_s3_is_an_outage(method):
    payloads = asking(a_body(b"<html>", metadata={}))
    call = payloads.get if method == "get" else payloads.put
    with pytest.raises(Unavailable, match="not from AWS"):
        call("key", 10 if method == "get" else b"body")


def test_nothing_is_read_of_a_body_that_says_that_it_is_too_large():
    stream = Stream(b"x" * 11)
    assert asking(a_body(stream, length=11)).get("key", 10) is None
    assert stream.read_bytes == 0


def test_a_body_that_is_cut_off_is_an_outage():
    with pytest.raises(Unavailable):
        asking(a_body(b"x" * 5, length=9)).get("key", 10)


def test_a_body_that_trickles_in_is_given_up():
    times = iter([0.0, TIMEOUT, TIMEOUT + 1])
    payloads = asking(a_body(b"x" * 150_000), now=lambda: next(times))
    with pytest.raises(Unavailable, match="took longer than 30 s"):
        payloads.get("key", 200_000)


def test_only_a_bucket_of_the_account_is_used():
    for call in (lambda p: p.put("key", b"x"), lambda p: p.get("key", 10)):
        payloads = asking(a_body(b"x"))
        call(payloads)
        assert payloads.client.asked["ExpectedBucketOwner"] == "123456789012"


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        ({"Rules": [{"ID": "expire"}]}, [{"ID": "expire"}]),
        (error("NoSuchBucket", 404), None),
        (error("NoSuchLifecycleConfiguration", 404), []),
    ],
    ids=["rules", "no bucket", "no rules"],
)
def test_the_lifecycle_of_a_bucket_is_read(answer, rules):
    assert lifecycle_of(Client(answer), "bucket", "123456789012") == rules


def test_a_lifecycle_that_may_not_be_read_is_no_bucket_without_one():
    with pytest.raises(FatalError):
        lifecycle_of(Client(error("AccessDenied", 403)), "bucket", "123456789012")
