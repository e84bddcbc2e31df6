"""The two protocols of the hot requests: bodies, responses and errors as the SDK has them.

DynamoDB speaks JSON, whose documents are the SDK's parameters and responses, apart from bytes. SNS
and SES (version 1) speak the query protocol, whose documents the SDK itself writes and reads.
https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

import base64
import string
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from botocore.exceptions import ParamValidationError, ResponseStreamingError
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer

from workers.aws.answers import REQUEST_ID, refuse_foreign
from workers.aws.exchanges import Answer

if TYPE_CHECKING:
    from botocore.model import OperationModel

CHECKSUM: Final = "x-amz-crc32"  # of DynamoDB's responses
FIRST_ERROR: Final = 300  # HTTP status
# Types of attribute values that hold bytes. JSON has them only where there are some.
_BINARY: Final = "B"
_BINARY_SET: Final = "BS"
_KEPT: Final = f"{string.ascii_letters}{string.digits}_.-~% ".encode()
_QUOTED: Final = [(bytes([byte]), b"%%%02X" % byte) for byte in range(256)]
_MARKS: Final = (b'"B"', b'"BS"')


class WireProtocol(Protocol):
    """Writes requests and reads responses of one operation."""

    headers: Mapping[str, str]

    def write(self, parameters: Mapping[str, Any]) -> bytes:
        """Return the body of a request. Raises ``ParamValidationError`` if there is none."""

    def check(self, answer: Answer) -> None:
        """Raise ``ResponseStreamingError`` if the response was changed on its way."""

    def read(self, answer: Answer) -> dict[str, Any]:
        """Parse a response, also an error, as the SDK's client does.

        Raises ``ResponseParserError`` if that is impossible, or if AWS did not send it.
        """


def protocol_of(model: "OperationModel") -> WireProtocol:
    """Return the protocol of an operation. Raises ``ValueError`` for one not known here."""
    match model.service_model.protocol:
        case "json":
            return Json(model)
        case "query":
            return Query(model)
        case other:
            raise ValueError(f"{model.service_model.service_name} speaks {other}")


class Json:
    """AWS's JSON protocol."""

    def __init__(self, model: "OperationModel") -> None:
        metadata = model.service_model.metadata
        self.headers: Mapping[str, str] = {
            "Content-Type": f"application/x-amz-json-{metadata['jsonVersion']}",
            "X-Amz-Target": f"{metadata['targetPrefix']}.{model.name}",
        }
        self._model = model

    def write(self, parameters: Mapping[str, Any]) -> bytes:
        """Return the body of a request; see ``WireProtocol``."""
        try:
            return orjson.dumps(parameters, default=_base64)
        except orjson.JSONEncodeError as error:
            raise ParamValidationError(report=str(error)) from error

    def check(self, answer: Answer) -> None:
        """Compare the checksum; see ``WireProtocol``.

        The SDK only tries again, and accepts the last of the responses.
        """
        told = answer.headers.get(CHECKSUM)
        if told is not None and told != str(zlib.crc32(answer.content)):
            raise ResponseStreamingError(error=f"{CHECKSUM} is not that of the response")

    def read(self, answer: Answer) -> dict[str, Any]:
        """Parse a response; see ``WireProtocol``."""
        if answer.status_code >= FIRST_ERROR:
            return _error(answer, self._model, "json")
        refuse_foreign(_as_the_sdk_has_it(answer), self._model)
        try:
            found = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise ResponseParserError(f"{self._model.name}: {error}") from error
        if not isinstance(found, dict):
            raise ResponseParserError(f"{self._model.name}: the response is not an object")
        if any(mark in answer.content for mark in _MARKS):
            found = _with_bytes(found)
        fields = {name: value for name, value in found.items() if value is not None}
        fields["ResponseMetadata"] = _metadata(answer)
        return fields


class Query:
    """AWS's query protocol: a form as the request, XML as the response."""

    def __init__(self, model: "OperationModel") -> None:
        self._serializer = create_serializer("query", include_validation=False)
        self._parser = create_parser("query")
        self._model = model
        self.headers: Mapping[str, str] = self._serializer.serialize_to_request({}, model)[
            "headers"
        ]

    def write(self, parameters: Mapping[str, Any]) -> bytes:
        """Return the body of a request; see ``WireProtocol``."""
        form = self._serializer.serialize_to_request(parameters, self._model)["body"]
        try:
            # Names come from the SDK's model: only values need quoting.
            return b"&".join([b"%b=%b" % (n.encode(), quoted(str(v))) for n, v in form.items()])
        except UnicodeEncodeError as error:
            raise ParamValidationError(report=str(error)) from error

    def check(self, answer: Answer) -> None:
        """Do nothing: these responses have no checksum."""

    def read(self, answer: Answer) -> dict[str, Any]:
        """Parse a response; see ``WireProtocol``."""
        if answer.status_code >= FIRST_ERROR:
            return _error(answer, self._model, "query")
        response = _as_the_sdk_has_it(answer)
        refuse_foreign(response, self._model)
        fields: dict[str, Any] = self._parser.parse(response, self._model.output_shape)  # type: ignore[arg-type]  # None is fine, too
        return fields


def quoted(value: str) -> bytes:
    """Quote a value of a form as ``urllib.parse.quote_plus`` does, whose time is that of Python.

    Raises ``UnicodeEncodeError`` for half a character.
    """
    data = value.encode().replace(b"%", b"%25")
    for byte in set(data.translate(None, _KEPT)):
        data = data.replace(*_QUOTED[byte])
    return data.replace(b" ", b"+")


def _error(answer: Answer, model: "OperationModel", protocol: str) -> dict[str, Any]:
    """Parse an error, and the fields that the service's model has for it."""
    parser, response = create_parser(protocol), _as_the_sdk_has_it(answer)
    parsed: dict[str, Any] = parser.parse(response, model.output_shape)  # type: ignore[arg-type]  # None is fine, too
    code = parsed.get("Error", {}).get("Code")
    shape = model.service_model.shape_for_error_code(code) if code is not None else None
    if shape is not None:
        parsed |= parser.parse(response, shape)
    return parsed


def _as_the_sdk_has_it(answer: Answer) -> dict[str, Any]:
    return {
        "body": answer.content,
        "context": {},
        "headers": answer.headers,
        "status_code": answer.status_code,
    }


def _metadata(answer: Answer) -> dict[str, Any]:
    return {
        "HTTPHeaders": dict(answer.headers),
        "HTTPStatusCode": answer.status_code,
        "RequestId": answer.headers.get(REQUEST_ID),
    }


def _base64(value: object) -> str:
    """Write bytes, for which JSON has no type. Raises ``TypeError`` for anything else."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no part of a request")


def _with_bytes(value: Any) -> Any:
    """Replace attribute values of bytes. A name is followed by a map, so none is taken for one."""
    match value:
        case {"B": str(text), **rest} if not rest:
            return {_BINARY: base64.b64decode(text)}
        case {"BS": list(texts), **rest} if not rest:
            return {_BINARY_SET: [base64.b64decode(text) for text in texts]}
        case dict():
            return {name: _with_bytes(each) for name, each in value.items()}
        case list():
            return [_with_bytes(each) for each in value]
        case _:
            return value
