"""Maps AWS error codes, without their namespaces, to the errors of the runtime."""

from typing import Final

from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable

# The SDK's list is botocore.retries.standard.ThrottledRetryableChecker. SQS, SNS and SES add more:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "KMSThrottling",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# Failures of AWS or of the network. For SES: the account is paused or the sender is not verified,
# which affects all email alike.
FAILING: Final = frozenset(
    {
        "AccountSendingPausedException",
        "ConfigurationSetSendingPausedException",
        "InternalError",
        "InternalErrorException",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceErrorException",
        "MailFromDomainNotVerifiedException",
        "RequestExpired",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
# The SDK refreshes credentials itself, but a call may use expired ones just before, and new ones
# may not have reached every endpoint yet. DynamoDB says to retry UnrecognizedClientException:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
UNKNOWN_CREDENTIALS: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
# Another transaction is writing one of the items, or our own retry overtook the first attempt.
CONTENDED: Final = frozenset({"TransactionConflictException", "TransactionInProgressException"})
GONE: Final = frozenset(
    {
        "ConfigurationSetDoesNotExist",
        "NonExistentQueue",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "IncompleteSignature",
        "InvalidSignatureException",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsInvalidState",
        "KmsNotFound",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "SignatureDoesNotMatch",
    }
)
REFUSED: Final = frozenset(
    {
        "BadRequestException",
        "BatchRequestTooLong",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "ItemCollectionSizeLimitExceeded",
        "MessageRejected",
        "ParameterValueInvalid",
        "SerializationException",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
        "ValidationError",
        "ValidationException",
    }
)

# For codes not listed above, the HTTP status decides.
_STATUS: Final[dict[int, type[Exception]]] = {
    401: FatalError,
    403: FatalError,
    404: FatalError,
    408: Unavailable,
    429: Unavailable,
}
_TOO_LARGE: Final = 413


def kind_of(code: str, status: int) -> type[Exception]:
    """Return the runtime's error class for an error code.

    An unknown code without a status, as in an entry of a batch, is retried. So is a response
    without a code (the SDK then uses the status as code): every AWS service sends one, so the
    response came from a proxy or load balancer. Only its 413 is final: a retry is as large.
    """
    if code in THROTTLED | FAILING | UNKNOWN_CREDENTIALS:
        return Unavailable
    if code in CONTENDED:
        return Conflict
    if code in GONE | DENIED:
        return FatalError
    if code in REFUSED:
        return PermanentError
    if not code or code.isdigit():
        return PermanentError if status == _TOO_LARGE else Unavailable
    refused = 400 <= status < 500  # noqa: PLR2004 - HTTP's client errors
    return _STATUS.get(status, PermanentError if refused else Unavailable)
