"""Access denied responses: the format depends on the protocol and, for some, on the service."""

import json
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from local.aws.counts import Request
from local.aws.iam.access import Refusal

_FORBIDDEN: Final = "403 Forbidden"
_BAD_REQUEST: Final = "400 Bad Request"
_QUERY_CODES: Final = {"ec2": "UnauthorizedOperation", "sns": "AuthorizationError"}
_ERROR: Final = "<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def answer(request: Request, refusal: Refusal) -> Answer:
    """Return a refusal in the format of the service."""
    match request.protocol:
        case "json" | "rest" if request.service != "s3":
            return _in_json(request, refusal)
        case "query":
            code = _QUERY_CODES.get(request.service, "AccessDenied")
            error = _error(code if refusal.known else "InvalidClientTokenId", refusal)
            if request.service == "ec2":
                return _in_xml(f"<Response><Errors>{error}</Errors></Response>")
            return _in_xml(f"<ErrorResponse>{error}</ErrorResponse>")
        case _:
            return _in_xml(_error("AccessDenied" if refusal.known else "InvalidToken", refusal))


def _in_json(request: Request, refusal: Refusal) -> Answer:
    code = "AccessDeniedException" if refusal.known else "UnrecognizedClientException"
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", code)]
    if request.service == "sqs" and refusal.known:
        # SQS used the query protocol once: the SDK reads the old error code from this header.
        headers.append(("x-amzn-query-error", "AccessDenied;Sender"))
    body = json.dumps({"__type": code, "message": refusal.message, "Message": refusal.message})
    return Answer(
        _FORBIDDEN if request.protocol == "rest" else _BAD_REQUEST, headers, body.encode()
    )


def _in_xml(document: str) -> Answer:
    return Answer(_FORBIDDEN, [("Content-Type", "text/xml")], document.encode())


def _error(code: str, refusal: Refusal) -> str:
    return _ERROR.format(code=code, message=escape(refusal.message))
