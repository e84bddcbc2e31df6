"""Calls moto's handlers directly, without Flask, for the services that every order uses.

Flask, its routing and moto's lookup of the service take longer than most of these requests. The
handlers are the same. All other requests go through Flask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlparse

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import EnvironHeaders
from moto.core.responses import BaseResponse
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.responses import DynamoHandler
from moto.ses.responses import EmailResponse
from moto.sns.responses import SNSResponse
from moto.sqs.responses import SQSResponse

from local.aws.counts import Request
from local.aws.refusals import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# By service and target prefix; the prefix is empty for services of the query protocol.
_HANDLERS: Final[dict[tuple[str, str], type[BaseResponse]]] = {
    ("dynamodb", "DynamoDB_20120810"): DynamoHandler,
    ("ses", ""): EmailResponse,
    ("sns", ""): SNSResponse,
    ("sqs", "AmazonSQS"): SQSResponse,
}
_PARTITION: Final = "aws"


@dataclass(frozen=True)
class _Read:
    """A request in the form that moto's parsers expect."""

    method: str
    path: str
    content_type: str
    headers: Mapping[str, str]
    data: bytes
    values: Mapping[str, str]  # the form; empty for JSON
    content_encoding: None = None


def handler_for(request: Request, environ: "WSGIEnvironment") -> type[BaseResponse] | None:
    """Return the handler for a plain POST to the root of a known operation, or None."""
    if environ["PATH_INFO"] != "/" or environ["REQUEST_METHOD"] != "POST":
        return None
    if environ.get("QUERY_STRING") or environ.get("HTTP_CONTENT_ENCODING"):
        return None
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[0]
    return _handler(request.service, target, request.operation)


def ask(handler_class: type[BaseResponse], request: Request, environ: "WSGIEnvironment") -> Answer:
    """Answer a request with moto's handler."""
    headers: Any = EnvironHeaders(environ)
    text = request.body.decode()
    values: Any = (
        {} if request.protocol == "json" else dict(parse_qsl(text, keep_blank_values=True))
    )
    read: Any = _Read("POST", "/", environ.get("CONTENT_TYPE", ""), headers, request.body, values)
    handler = handler_class()
    # The attributes that BaseResponse.setup_class sets.
    handler.is_werkzeug_request = True
    handler.normalized_request = read
    handler.uri = f"http://{environ['HTTP_HOST']}/"
    handler.parsed_url = urlparse(handler.uri)
    handler.path = handler.raw_path = "/"
    handler.method = "POST"
    handler.body = handler.raw_body = text
    handler.headers = headers
    handler.form_data = values
    handler.querystring = handler.data = {name: [value] for name, value in values.items()}
    handler.uri_match = {}
    handler.region = request.region
    handler.partition = _PARTITION
    handler.access_key = request.key
    handler.current_account = DEFAULT_ACCOUNT_ID
    handler.response_headers = {"server": "amazon.com"}
    handler.parse_parameters(read)
    status, answered, body = handler.call_action()
    return Answer(
        _status_line(int(status)),
        [(name, str(value)) for name, value in answered.items()],
        body if isinstance(body, bytes) else body.encode(),
    )


@lru_cache(maxsize=1024)
def _handler(service: str, target: str, operation: str) -> type[BaseResponse] | None:
    handler = _HANDLERS.get((service, target))
    return handler if hasattr(handler, camelcase_to_underscores(operation)) else None


@lru_cache
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
