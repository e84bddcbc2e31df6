"""AWS error codes become the errors of the ports."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from workers.aws.errors import meaning, translate, translated
from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable


def client_error(code, status=400, **error):
    response = {
        "Error": {"Code": code, "Message": "no", **error},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "SomeCall")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestThrottled", Unavailable),
        ("ThrottlingException", Unavailable),
        ("Throttling", Unavailable),
        ("ProvisionedThroughputExceededException", Unavailable),
        ("OverLimit", Unavailable),
        ("AWS.SimpleQueueService.OverLimit", Unavailable),
        ("KMS.ThrottlingException", Unavailable),
        ("KmsThrottled", Unavailable),
        ("TooManyRequestsException", Unavailable),
        ("LimitExceededException", Unavailable),
        ("AccountSendingPausedException", Unavailable),
        ("ExpiredToken", Unavailable),
        ("ExpiredTokenException", Unavailable),
        ("UnrecognizedClientException", Unavailable),
        ("InvalidClientTokenId", Unavailable),
        ("RequestExpired", Unavailable),
        ("RequestTimeout", Unavailable),
        ("MailFromDomainNotVerifiedException", Unavailable),
        ("TransactionConflictException", Conflict),
        ("TransactionInProgressException", Conflict),
        ("AWS.SimpleQueueService.NonExistentQueue", FatalError),
        ("QueueDoesNotExist", FatalError),
        ("ResourceNotFoundException", FatalError),
        ("NotFound", FatalError),
        ("AccessDenied", FatalError),
        ("AccessDeniedException", FatalError),
        ("AuthorizationError", FatalError),
        ("KMS.AccessDeniedException", FatalError),
        ("SignatureDoesNotMatch", FatalError),
        ("ValidationException", PermanentError),
        ("InvalidParameter", PermanentError),
        ("InvalidMessageContents", PermanentError),
        ("MessageRejected", PermanentError),
        ("SomethingNewException", PermanentError),
    ],
)
def test_a_refusal_is_classified_by_its_code(code, kind):
    assert type(translate(client_error(code), "sqs")) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentError),
        (401, FatalError),
        (403, FatalError),
        (404, FatalError),
        (408, Unavailable),
        (413, PermanentError),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
    ],
)
def test_the_status_decides_on_an_unknown_code(status, kind):
    assert type(translate(client_error("SomethingNew", status), "sqs")) is kind


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 407, 421, 429, 500])
@pytest.mark.parametrize("named", [True, False])
def test_a_refusal_without_a_code_is_an_outage(status, named):
    error = client_error(str(status) if named else "", status)

    assert isinstance(translate(error, "sqs"), Unavailable)


def test_a_request_that_a_proxy_finds_too_large_is_a_permanent_error():
    assert isinstance(translate(client_error("413", 413), "sns"), PermanentError)


@pytest.mark.parametrize("code", ["RequestThrottled", "OverLimit", "ThrottlingException"])
def test_throttling_is_transient_although_aws_blames_the_sender(code):
    error = client_error(code, Type="Sender", SenderFault=True)

    assert isinstance(translate(error, "sqs"), Unavailable)


def test_an_entry_with_an_unknown_code_is_retried():
    assert isinstance(meaning("SomethingNew", "no", "sns"), Unavailable)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://localhost"),
        ConnectTimeoutError(endpoint_url="http://localhost"),
        ReadTimeoutError(endpoint_url="http://localhost"),
        ResponseParserError("<html>"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_missing_response_is_an_outage(error):
    assert translate(error, "sqs").dependency == "sqs"


@pytest.mark.parametrize(
    "error",
    [
        CredentialRetrievalError(provider="container-role", error_msg="timed out"),
        NoCredentialsError(),
        PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        client_error("ExpiredToken"),
        client_error("ExpiredTokenException"),
        client_error("InvalidClientTokenId", 403),
        client_error("UnrecognizedClientException"),
    ],
    ids=str,
)
def test_missing_credentials_are_an_outage_of_the_credentials(error):
    for called in ("sqs", "dynamodb", "payment-gateway"):
        assert translate(error, called).dependency == "credentials"


def test_a_request_that_the_sdk_refuses_is_a_permanent_error():
    assert isinstance(translate(ParamValidationError(report="no"), "sqs"), PermanentError)


def test_a_missing_region_is_fatal():
    assert isinstance(translate(NoRegionError(), "sqs"), FatalError)


def test_an_outage_names_its_dependency():
    with pytest.raises(Unavailable) as raised, translated("dynamodb"):
        raise client_error("InternalServerError", 500)

    assert raised.value.dependency == "dynamodb"
    assert "InternalServerError" in str(raised.value)


def test_other_errors_pass_through():
    with pytest.raises(LookupError), translated("dynamodb"):
        raise LookupError
