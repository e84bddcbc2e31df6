"""WSGI middleware that injects faults into requests to the embedded AWS.

It runs before access checks and before any service, as faults of a network do.
"""

import errno
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from local.aws.counts import Request
from local.aws.faults.answers import conflict, error
from local.aws.faults.batches import PartialBatch
from local.aws.faults.rules import Fault, Faults
from local.aws.refusals import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONTROL: Final = "/_embedded/faults"
_LENGTH: Final = "content-length"
_EQUALITY = re.compile(r"=\s*(:\w+)")


class FaultMiddleware:
    """Injects faults in front of ``application``. Without rules it only looks at the path."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._faults = Faults()
        self._stale = StaleQueries()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == _CONTROL:
            return _send(start_response, self._control(environ))
        if not self._faults or path.startswith("/_embedded/"):
            return self._application(environ, start_response)
        faults, stale = self._faults, self._stale
        request = Request.read(environ)
        fault = faults.decide(request.service, request.operation, request.body)
        if fault is not None and fault.mode != "stale":
            return _send(start_response, self._inject(fault, environ, request))
        if not stale.concerns(request):
            return self._application(environ, start_response)
        now = self._forward(environ, request.body)
        return _send(start_response, stale.answer(request, now, fault.rule.lag if fault else 0))

    def _inject(self, fault: Fault, environ: "WSGIEnvironment", request: Request) -> Answer:
        request_id = f"fault-{fault.mode}-{fault.number}"
        match fault.mode:
            case "drop_before":
                hang_up()
            case "drop_after":
                self._forward(environ, request.body)
                hang_up()
            case "delay":
                time.sleep(fault.rule.seconds)
                return self._forward(environ, request.body)
            case "duplicate":
                return self._twice(environ, request)
            case "partial":
                batch = PartialBatch.of(request)
                done = self._forward(environ, batch.body) if batch.body else None
                return batch.answer(request, done, request_id)
            case "conflict":
                return conflict(request, fault.number, request_id)
        return error(request, fault.mode, request_id)

    def _twice(self, environ: "WSGIEnvironment", request: Request) -> Answer:
        """Publish twice, or make received messages visible again at once."""
        first = self._forward(environ, request.body)
        if request.service == "sns":
            self._forward(environ, request.body)
        elif first.status.startswith("200"):
            queue = json.loads(request.body)["QueueUrl"]
            for message in json.loads(first.body).get("Messages", []):
                handle = {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                body = json.dumps({"QueueUrl": queue} | handle).encode()
                self._forward(environ, body, target="AmazonSQS.ChangeMessageVisibility")
        return first

    def _forward(self, environ: "WSGIEnvironment", body: bytes, target: str = "") -> Answer:
        """Forward a copy of a request, so that it can be sent again."""
        copy = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if target:
            copy["HTTP_X_AMZ_TARGET"] = target
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _: object = None, /
        ) -> Callable[[bytes], None]:
            head.append((status, headers))
            return lambda _: None

        chunks = self._application(copy, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        status, headers = head[-1]
        return Answer(status, [each for each in headers if each[0].lower() != _LENGTH], body)

    def _control(self, environ: "WSGIEnvironment") -> Answer:
        counts = self._faults.as_document()
        match environ["REQUEST_METHOD"]:
            case "GET":
                return _document("200 OK", counts)
            case "DELETE":
                self._replace_rules(Faults())
                return _document("200 OK", counts)
            case "POST":
                text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                try:
                    self._replace_rules(Faults.read(text))
                except ValueError as unreadable:
                    return _document("400 Bad Request", {"error": str(unreadable)})
                return _document("200 OK", self._faults.as_document())
        return _document("405 Method Not Allowed", {"error": "allowed methods: DELETE, GET, POST"})

    def _replace_rules(self, faults: Faults) -> None:
        self._stale = StaleQueries(faults.lag)
        self._faults = faults


class StaleQueries:
    """Keeps the latest answers to index queries, to replay them as stale reads. Thread-safe."""

    def __init__(self, lag: int = 0) -> None:
        self._lag = lag
        self._answers: dict[tuple[object, ...], deque[Answer]] = {}
        self._lock = Lock()

    def concerns(self, request: Request) -> bool:
        """Return whether the answer to this request has to be kept."""
        return bool(
            self._lag
            and (request.service, request.operation) == ("dynamodb", "Query")
            and b'"IndexName"' in request.body
        )

    def answer(self, request: Request, now: Answer, lag: int) -> Answer:
        """Store an answer; return the one from ``lag`` requests ago, or the oldest stored."""
        key = _query(json.loads(request.body))
        with self._lock:
            kept = self._answers.setdefault(key, deque(maxlen=self._lag + 1))
            kept.append(now)
            return kept[max(0, len(kept) - 1 - lag)]


def hang_up() -> None:
    """Close the connection without an answer.

    The server treats this error as a disconnected client and closes silently.
    """
    raise ConnectionResetError(errno.ECONNRESET, "injected fault")


def _query(parameters: dict[str, Any]) -> tuple[object, ...]:
    """Identify a query by index, partition and kind. Range bounds are ignored: they move."""
    values = parameters.get("ExpressionAttributeValues", {})
    condition = parameters.get("KeyConditionExpression", "")
    return (
        parameters["TableName"],
        parameters["IndexName"],
        condition,
        parameters.get("Select"),
        parameters.get("Limit"),
        json.dumps(parameters.get("ExclusiveStartKey"), sort_keys=True),
        *(json.dumps(values[name]) for name in _EQUALITY.findall(condition)),
    )


def _document(status: str, document: object) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(document).encode())


def _send(start_response: "StartResponse", reply: Answer) -> Iterable[bytes]:
    start_response(reply.status, [*reply.headers, ("Content-Length", str(len(reply.body)))])
    return [reply.body]
