"""Finds the operation of a request in the service's model, and reads its parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import EnvironHeaders, determine_request_protocol
from moto.core.utils import get_service_model
from werkzeug.datastructures import MultiDict

from local.aws.counts import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Services whose model differs in name from the signature.
_MODELS: Final = {"monitoring": "cloudwatch"}
# The same for services with two APIs: the model of the newer one, by the start of its paths.
_VERSION_2: Final = {
    ("apigateway", "/v2/"): "apigatewayv2",
    ("ses", "/v2/"): "sesv2",
}
_LABEL: Final = re.compile(r"\{(\w+)(\+?)\}")


class UnknownOperation(Exception):
    """The service's model has no such operation; the message names the request."""


@dataclass(frozen=True)
class Asked:
    """An operation and its parameters."""

    operation: OperationModel
    parameters: Mapping[str, Any]


def read(request: Request, environ: "WSGIEnvironment") -> Asked:
    """Read a request as its service does. Raises ``UnknownOperation``."""
    path, model = environ["PATH_INFO"], _model(request.service, environ["PATH_INFO"])
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    labels: Mapping[str, str] = {}
    name = request.operation
    if request.protocol == "rest":
        name, labels = _route(model, environ["REQUEST_METHOD"], path, dict(query))
    elif name not in model.operation_names:
        raise UnknownOperation(f"{request.service} has no operation {name}")
    operation = model.operation_model(name)
    protocol = determine_request_protocol(model, environ.get("CONTENT_TYPE", ""))
    if protocol in {"query", "ec2"}:
        query += parse_qsl(request.body.decode(), keep_blank_values=True)
    parsed: Mapping[str, Any] = PROTOCOL_PARSERS[protocol](operation).parse(
        {
            "body": request.body,
            "headers": EnvironHeaders(environ),
            "method": environ["REQUEST_METHOD"],
            "url_params": dict(labels),
            "url_path": path,
            "values": MultiDict(query),
        }
    )
    return Asked(operation, parsed)


def _model(service: str, path: str) -> ServiceModel:
    for (named, start), newer in _VERSION_2.items():
        if service == named and path.startswith(start):
            return _loaded(newer)
    return _loaded(_MODELS.get(service, service))


@lru_cache
def _loaded(name: str) -> ServiceModel:
    return get_service_model(name)


def _route(
    model: ServiceModel, method: str, path: str, query: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """Return the operation whose address is the most specific match, and the labels in it."""
    matches = [
        (len(required), -address.groups, name, found)
        for name, verb, address, required in _addresses(model.service_name)
        if verb == method and required <= query.items() and (found := address.fullmatch(path))
    ]
    if not matches:
        raise UnknownOperation(f"{model.service_name} has no operation at {method} {path}")
    *_, name, found = max(matches, key=lambda each: each[:2])
    return name, {label: unquote(value) for label, value in found.groupdict().items()}


@lru_cache
def _addresses(
    service: str,
) -> list[tuple[str, str, re.Pattern[str], frozenset[tuple[str, str]]]]:
    """List name, method, path and required query of a service's operations.

    S3 has deprecated operations at the addresses of their successors; they are left out.
    """
    model, addresses = _loaded(service), []
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.deprecated:
            continue
        http = operation.http
        path, _, query = http["requestUri"].partition("?")
        pattern = _LABEL.sub(
            lambda label: f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})",
            path.rstrip("/") or "/",
        )
        required = frozenset(parse_qsl(query, keep_blank_values=True))
        addresses.append((name, http["method"], re.compile(f"{pattern}/?"), required))
    return addresses
