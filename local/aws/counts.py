"""Counts the requests to the embedded AWS by service, operation and queue."""

import io
import re
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_QUEUE_URL = re.compile(rb'"QueueUrl"\s*:\s*"[^"]*?([^"/]+)"')
_FORM_FIELD = re.compile(rb"(?:^|&)(Action|QueueUrl)=([\w%.+-]*)", re.ASCII)


@dataclass(frozen=True)
class Request:
    """The parts of a request that counting, serialising and authorising need."""

    key: str  # access key id; this and the next two are "" for an unsigned request
    region: str
    service: str  # as in the signature: "sqs"
    protocol: str  # "json", "query" or "rest"
    operation: str  # "ReceiveMessage"; for REST services the method and path
    queue: str  # name, for SQS
    body: bytes

    @classmethod
    def read(cls, environ: "WSGIEnvironment") -> Self:
        """Read a request and keep its body readable for the next application."""
        body = b""
        if length := environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read(int(length))
            environ["wsgi.input"] = io.BytesIO(body)
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, region, service = found.groups() if found else ("", "", "")
        form = {
            name.decode(): unquote_plus(value.decode()) for name, value in _FORM_FIELD.findall(body)
        }
        target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        return cls(
            key=key,
            region=region,
            service=service,
            protocol="json" if target else "query" if "Action" in form else "rest",
            operation=target or form.get("Action") or path,
            queue=_queue(service, body, form),
            body=body,
        )


def _queue(service: str, body: bytes, form: dict[str, str]) -> str:
    if service != "sqs":
        return ""
    found = _QUEUE_URL.search(body)
    return found.group(1).decode() if found else form.get("QueueUrl", "").rpartition("/")[2]


@dataclass
class Counts:
    """Request counters. Thread-safe."""

    _operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    _queues: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, request: Request) -> None:
        """Count one request."""
        with self._lock:
            self._operations[request.service, request.operation] += 1
            if request.queue:
                self._queues[request.queue, request.operation] += 1

    def as_document(self) -> dict[str, Any]:
        """Return ``{"total": n, "services": {service: {operation: n}}, "queues": {...}}``."""
        with self._lock:
            return {
                "total": self._operations.total(),
                "services": _nested(self._operations),
                "queues": _nested(self._queues),
            }


def _nested(counter: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counter.items()):
        nested.setdefault(outer, {})[inner] = count
    return nested
