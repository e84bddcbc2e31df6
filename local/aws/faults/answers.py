"""Error responses of AWS services: throttling, server errors, expired tokens, conflicts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from local.aws.counts import Request
from local.aws.refusals import Answer

TRY_AGAIN: Final = "We encountered an internal error. Please try again."
_CAPACITY: Final = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
_CONFLICT: Final = "TransactionConflict"
_EXPIRED: Final = "The security token included in the request is expired"
_ONGOING: Final = "Transaction is ongoing for the item"

_BAD_REQUEST: Final = "400 Bad Request"
_FORBIDDEN: Final = "403 Forbidden"
_INTERNAL: Final = "500 Internal Server Error"

# Namespaces of error codes in JSON.
_CORAL: Final = "com.amazon.coral.service#"
_DYNAMODB: Final = "com.amazonaws.dynamodb.v20120810#"
_SQS: Final = "com.amazonaws.sqs#"

_XML: Final = (
    "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
)


@dataclass(frozen=True)
class _Error:
    status: str
    code: str
    message: str
    namespace: str = ""  # for JSON
    json_code: str = ""  # where it differs from ``code``

    @property
    def shape(self) -> str:
        return self.namespace + (self.json_code or self.code)


# DynamoDB: "Error handling" and "Common errors" in its documentation; the namespaces are those it
# sends. SQS: code and status of throttling are in botocore's _retry.json; the other two are AWS
# common errors. SNS throttles with the AWS common error; the Throttled in its model is for SMS.
# SES: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_ERRORS: Final = {
    ("dynamodb", "throttle"): _Error(
        _BAD_REQUEST, "ProvisionedThroughputExceededException", _CAPACITY, _DYNAMODB
    ),
    ("dynamodb", "error"): _Error(
        _INTERNAL, "InternalServerError", "Internal server error", _DYNAMODB
    ),
    ("dynamodb", "expired"): _Error(_BAD_REQUEST, "ExpiredTokenException", _EXPIRED, _CORAL),
    ("sqs", "throttle"): _Error(_FORBIDDEN, "RequestThrottled", "Request is throttled.", _SQS),
    ("sqs", "error"): _Error(_INTERNAL, "InternalFailure", TRY_AGAIN, _CORAL),
    ("sqs", "expired"): _Error(
        _FORBIDDEN, "ExpiredToken", _EXPIRED, _CORAL, json_code="ExpiredTokenException"
    ),
    ("sns", "throttle"): _Error(_BAD_REQUEST, "Throttling", "Rate exceeded"),
    ("sns", "error"): _Error(_INTERNAL, "InternalError", TRY_AGAIN),
    ("sns", "expired"): _Error(_FORBIDDEN, "ExpiredToken", _EXPIRED),
    ("ses", "throttle"): _Error(_BAD_REQUEST, "Throttling", "Maximum sending rate exceeded."),
    ("ses", "error"): _Error(_INTERNAL, "InternalFailure", TRY_AGAIN),
    ("ses", "expired"): _Error(_FORBIDDEN, "ExpiredToken", _EXPIRED),
}


def error(request: Request, mode: str, request_id: str) -> Answer:
    """Return the service's own error for the mode ``throttle``, ``error`` or ``expired``."""
    found = _ERRORS[request.service, mode]
    fault = "Receiver" if found.status.startswith("5") else "Sender"
    if request.protocol == "json":
        # SQS used the query protocol once: the SDK reads the error code from this header.
        headers = [("x-amzn-query-error", f"{found.code};{fault}")] * (request.service == "sqs")
        body = {"__type": found.shape, "message": found.message}
        return in_json(found.status, body, request_id, headers)
    text = _XML.format(
        fault=fault, code=found.code, message=escape(found.message), request_id=request_id
    )
    headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
    return Answer(found.status, headers, text.encode())


def conflict(request: Request, number: int, request_id: str) -> Answer:
    """Return a conflict with another transaction; ``number`` selects the item of a transaction.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
    """
    items = json.loads(request.body).get("TransactItems")
    if items is None:
        body = {"__type": f"{_DYNAMODB}TransactionConflictException", "message": _ONGOING}
        return in_json(_BAD_REQUEST, body, request_id)
    reasons = [{"Code": "None"} for _ in items]
    reasons[number % len(items)] = {"Code": _CONFLICT, "Message": _ONGOING}
    codes = ", ".join(reason["Code"] for reason in reasons)
    document = {
        "__type": f"{_DYNAMODB}TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific "
        f"reasons [{codes}]",
        "CancellationReasons": reasons,
    }
    return in_json(_BAD_REQUEST, document, request_id)


def in_json(
    status: str, document: Any, request_id: str, headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Return a response of the JSON protocol."""
    kind = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", request_id)]
    return Answer(status, [*kind, *headers], json.dumps(document).encode())
