"""How services of AWS answer when they are busy, broken, or half done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from workers.local.counts import Request
from workers.local.refusals import Answer

_EXPIRED_TEXT: Final = "The security token included in the request is expired"
_TRY_AGAIN: Final = "We encountered an internal error. Please try again."
_RATE_EXCEEDED: Final = "Rate exceeded"
_CONFLICT: Final = "TransactionConflict"
_ONGOING: Final = "Transaction is ongoing for the item"
_XML: Final = (
    "<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message>"
    "</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
)
_NAMESPACE: Final = "http://sns.amazonaws.com/doc/2010-03-31/"
_ENTRY: Final = "PublishBatchRequestEntries.member."


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
        _TRY_AGAIN,
        "com.amazon.coral.service#InternalFailure",
    ),
    ("sqs", "expired"): _Error(
        "403 Forbidden",
        "ExpiredToken",
        _EXPIRED_TEXT,
        "com.amazon.coral.service#ExpiredTokenException",
    ),
    ("sns", "throttle"): _Error("400 Bad Request", "Throttling", _RATE_EXCEEDED),
    ("sns", "error"): _Error("500 Internal Server Error", "InternalError", _TRY_AGAIN),
    ("sns", "expired"): _Error("403 Forbidden", "ExpiredToken", _EXPIRED_TEXT),
    ("ses", "throttle"): _Error("400 Bad Request", "Throttling", "Maximum sending rate exceeded."),
    ("ses", "error"): _Error("500 Internal Server Error", "InternalFailure", _TRY_AGAIN),
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
        return _json(found.status, body, request_id, headers)
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
        return _json("400 Bad Request", body, request_id)
    reasons = [{"Code": "None"} for _ in items]
    reasons[number % len(items)] = {"Code": _CONFLICT, "Message": _ONGOING}
    codes = ", ".join(reason["Code"] for reason in reasons)
    document = {
        "__type": f"{space}TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific "
        f"reasons [{codes}]",
        "CancellationReasons": reasons,
    }
    return _json("400 Bad Request", document, request_id)


@dataclass(frozen=True)
class Half:
    """A batch of which every other entry is not done, the last one first."""

    body: bytes  # the request for the rest; empty if nothing is left
    failed: Sequence[str]  # ids

    @classmethod
    def of(cls, request: Request) -> "Half":
        """Take a batch of SQS or SNS apart."""
        if request.protocol == "json":
            document = json.loads(request.body)
            kept, failed = _halves(document["Entries"])
            rest = json.dumps(document | {"Entries": kept}).encode()
            return cls(rest if kept else b"", [entry["Id"] for entry in failed])
        common, entries = _form_entries(request.body)
        kept, failed = _halves(entries)
        fields = [
            (f"{_ENTRY}{position}.{name}", value)
            for position, entry in enumerate(kept, 1)
            for name, value in entry.items()
        ]
        rest = urlencode([*common, *fields]).encode()
        return cls(rest if kept else b"", [entry["Id"] for entry in failed])

    def answer(self, request: Request, done: Answer | None, request_id: str) -> Answer:
        """Add the entries that failed to the answer to the others, None if there are none."""
        if done is not None and not done.status.startswith("200"):
            return done
        if request.protocol == "json":
            document = json.loads(done.body) if done else {"Successful": []}
            document["Failed"] = [*document.get("Failed", []), *map(_failed, self.failed)]
            return _json("200 OK", document, request_id)
        return Answer(
            "200 OK", [("Content-Type", "text/xml")], _with_failed(done, self.failed, request_id)
        )


def _halves(entries: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    last = len(entries) - 1
    kept = [entry for position, entry in enumerate(entries) if (last - position) % 2]
    failed = [entry for position, entry in enumerate(entries) if not (last - position) % 2]
    return kept, failed


def _failed(entry_id: str) -> dict[str, Any]:
    return {"Id": entry_id, "Code": "InternalError", "Message": _TRY_AGAIN, "SenderFault": False}


def _form_entries(body: bytes) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    common, entries = [], dict[str, dict[str, str]]()
    for field, value in parse_qsl(body.decode(), keep_blank_values=True):
        if field.startswith(_ENTRY):
            position, _, name = field.removeprefix(_ENTRY).partition(".")
            entries.setdefault(position, {})[name] = value
        else:
            common.append((field, value))
    return common, list(entries.values())


def _with_failed(done: Answer | None, ids: Sequence[str], request_id: str) -> bytes:
    empty = (
        f'<PublishBatchResponse xmlns="{_NAMESPACE}"><PublishBatchResult><Successful/><Failed/>'
        f"</PublishBatchResult><ResponseMetadata><RequestId>{request_id}</RequestId>"
        "</ResponseMetadata></PublishBatchResponse>"
    )
    root = ET.fromstring(done.body if done else empty)  # noqa: S314 - our own answer
    result = next(each for each in root.iter() if each.tag.endswith("PublishBatchResult"))
    space = result.tag.removesuffix("PublishBatchResult")
    failed = result.find(f"{space}Failed")
    if failed is None:
        failed = ET.SubElement(result, f"{space}Failed")
    for entry_id in ids:
        member = ET.SubElement(failed, f"{space}member")
        for name, value in _failed(entry_id).items():
            text = str(value).lower() if isinstance(value, bool) else value
            ET.SubElement(member, f"{space}{name}").text = text
    return ET.tostring(root)


def _json(
    status: str, document: Any, request_id: str, headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    kind = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", request_id)]
    return Answer(status, [*kind, *headers], json.dumps(document).encode())
