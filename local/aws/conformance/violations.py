"""Collects the requests that the services' models forbid."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from local.aws.conformance.operations import Asked, UnknownOperation, read
from local.aws.conformance.shapes import faults
from local.aws.counts import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# The members that name the resource of a request end in one of these; the first found names it.
_IDENTIFYING: Final = (
    "Name",
    "Arn",
    "ARN",
    "Url",
    "Id",
    "Identity",
    "name",
    "Identifier",
    "family",
)


class Violations:
    """The violations so far, each counted once per resource. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str, str]] = Counter()
        self._lock = Lock()

    def check(self, request: Request, environ: "WSGIEnvironment") -> None:
        """Compare a request with the model of its service. Unsigned requests name none."""
        if not request.service:
            return
        try:
            asked = read(request, environ)
        except (UnknownOperation, ValueError) as unreadable:
            self._add(request.service, request.operation, "", "", str(unreadable))
            return
        shape = asked.operation.input_shape
        if shape is not None:
            for path, message in faults(asked.parameters, shape):
                name = asked.operation.name
                self._add(request.service, name, resource_of(asked), path, message)

    def _add(self, *violation: str) -> None:
        service, operation, resource, path, message = violation
        with self._lock:
            self._counts[service, operation, resource, path, message] += 1

    def as_document(self) -> list[dict[str, Any]]:
        """List ``service, operation, resource, member, message, count``."""
        names = ("service", "operation", "resource", "member", "message")
        with self._lock:
            counts = sorted(self._counts.items())
        return [dict(zip(names, each, strict=True)) | {"count": count} for each, count in counts]


def resource_of(asked: Asked) -> str:
    """Name the resource of a request: ``RoleName=dev-relay-task``, or "" if none is named."""
    parameters: Mapping[str, Any] = asked.parameters
    scalars = {name: value for name, value in parameters.items() if isinstance(value, str)}
    for ending in _IDENTIFYING:
        for name, value in scalars.items():
            if name.endswith(ending):
                return f"{name}={value}"
    return ""
