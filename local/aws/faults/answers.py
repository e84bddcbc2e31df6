"""How services of AWS answer when they are busy, broken or at odds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from local.aws.counts import Request
from local.aws.refusals import Answer

_EXPIRED_TEXT: Final = "The security token included in the request is expired"
TRY_AGAIN: Final = "We encountered an internal error. Please try again."
_RATE_EXCEEDED: Final = "Rate exceeded"
_CONFLICT: Final = "TransactionConflict"
_ONGOING: Final = "Transaction is ongoing for the item"
_XML: Final = (
    "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
)


@dataclass(frozen=True)
class _Error:
    status: str
    code: str
    message: str
    shape: str = ""  # the code in JSON, with its name space


# DynamoDB: "Error handling" and "Common errors" of its documentation; the name spaces are what it
# sends. SQS: botocore's _retry.json has code and status; the other two are common errors of AWS.
# SNS throttles with the common error of AWS; the Throttled of its model is for text messages.
# SES: https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_ERRORS: Final = {
    ("dynamodb", "throttle"): _Error(
        "400 Bad Request",
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API.",
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    ),
    ("dynamodb", "error"): _Error(
        "500 Internal Server Error",
        "InternalServerError",
        "Internal server error",
        "com.amazonaws.dynamodb.v20120810#InternalServerError",
    ),
    ("dynamodb", "expired"): _Error(
        "400 Bad Request",
        "ExpiredTokenException",
        _EXPIRED_TEXT,
        "com.amazon.coral.service#ExpiredTokenException",
    ),
    ("sqs", "throttle"): _Error(
        "403 Forbidden",
        "RequestThrottled",
        "Request is throttled.",
        "com.amazonaws.sqs#RequestThrottled",
    ),
    ("sqs", "error"): _Error(
        "500 Internal Server Error",
        "InternalFailure",
        TRY_AGAIN,
        "com.amazon.coral.service#InternalFailure",
    ),
    ("sqs", "expired"): _Error(
        "403 Forbidden",
        "ExpiredToken",
        _EXPIRED_TEXT,
        "com.amazon.coral.service#ExpiredTokenException",
    ),
    ("sns", "throttle"): _Error("400 Bad Request", "Throttling", _RATE_EXCEEDED),
    ("sns", "error"): _Error("500 Internal Server Error", "InternalError", TRY_AGAIN),
    ("sns", "expired"): _Error("403 Forbidden", "ExpiredToken", _EXPIRED_TEXT),
    ("ses", "throttle"): _Error("400 Bad Request", "Throttling", "Maximum sending rate exceeded."),
    ("ses", "error"): _Error("500 Internal Server Error", "InternalFailure", TRY_AGAIN),
    ("ses", "expired"): _Error("403 Forbidden", "ExpiredToken", _EXPIRED_TEXT),
}


def error(request: Request, mode: str, request_id: str) -> Answer:
    """Answer throttle, error or expired in the words of the service."""
    found = _ERRORS[request.service, mode]
    fault = "Receiver" if found.status.startswith("5") else "Sender"
    if request.protocol == "json":
        # SQS was a query service once: the SDK reads the code from the second header.
        headers = [("x-amzn-query-error", f"{found.code};{fault}")] * (request.service == "sqs")
        body = {"__type": found.shape, "message": found.message}
        return in_json(found.status, body, request_id, headers)
    text = _XML.format(
        fault=fault, code=found.code, message=escape(found.message), request_id=request_id
    )
    headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
    return Answer(found.status, headers, text.encode())


def conflict(request: Request, number: int, request_id: str) -> Answer:
    """Answer that another transaction has an item: one of a transaction's, by ``number``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
    """
    space = "com.amazonaws.dynamodb.v20120810#"
    items = json.loads(request.body).get("TransactItems")
    if items is None:
        body = {"__type": f"{space}TransactionConflictException", "message": _ONGOING}
        return in_json("400 Bad Request", body, request_id)
    reasons = [{"Code": "None"} for _ in items]
    reasons[number % len(items)] = {"Code": _CONFLICT, "Message": _ONGOING}
    codes = ", ".join(reason["Code"] for reason in reasons)
    document = {
        "__type": f"{space}TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific "
        f"reasons [{codes}]",
        "CancellationReasons": reasons,
    }
    return in_json("400 Bad Request", document, request_id)


def in_json(
    status: str, document: Any, request_id: str, headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Answer as services with documents do."""
    kind = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", request_id)]
    return Answer(status, [*kind, *headers], json.dumps(document).encode())
