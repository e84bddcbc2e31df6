"""Error codes of AWS by what they mean to the runtime, without their name spaces."""

from typing import Final

from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable

# The SDK's own list is botocore.retries.standard.ThrottledRetryableChecker; the rest are of
# SQS, SNS and SES: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
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
# AWS's side, or the way there. SES stops an account or refuses a sender as a whole, which says
# nothing about one mail.
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
# The SDK fetches new credentials by itself; a call may fall into the gap, and new ones may not
# have reached every endpoint yet. DynamoDB's list says to retry the last one:
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
# Another transaction holds one of the items, or our own repeat overtook the first try.
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

# HTTP's status decides on a code that is in no table.
_STATUS: Final[dict[int, type[Exception]]] = {
    401: FatalError,
    403: FatalError,
    404: FatalError,
    408: Unavailable,
    429: Unavailable,
}
_TOO_LARGE: Final = 413


def kind_of(code: str, status: int) -> type[Exception]:
    """Tell which error of the runtime a code stands for.

    An unknown code without a status, as an entry of a batch has it, is worth another try. So is
    an answer without a code (the SDK puts the status in its place): every service of AWS gives
    one, so it came from something in between. Only what that holds too large stays too large.
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
