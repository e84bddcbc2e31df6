"""Receives spans by OTLP over HTTP, as a collector does, and keeps them."""

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire; ids in hexadecimal."""

    service: str
    name: str
    kind: str
    trace_id: str
    id: str
    parent: str
    links: list
    attributes: dict
    failed: bool
    resource: dict


@dataclass
class Receiver:
    """A collector on loopback for the duration of a ``with`` block."""

    status: int = 200
    requests: int = 0
    spans: list = field(default_factory=list)
    raw: list = field(default_factory=list)

    def __enter__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.accept(self.path, body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def accept(self, path, body):
        self.requests += 1
        assert path == "/v1/traces"
        self.raw.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_span(span, resource) for span in scope.spans]

    def of(self, trace_id, name=None, service=None):
        """Return the spans of a trace."""
        return [
            span
            for span in list(self.spans)
            if span.trace_id == trace_id
            and name in (None, span.name)
            and service in (None, span.service)
        ]


def _span(span, resource):
    return Span(
        service=resource["service.name"],
        name=span.name,
        kind=Wire.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        attributes=_attributes(span.attributes),
        failed=span.status.code == 2,
        resource=resource,
    )


def _attributes(pairs):
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }
