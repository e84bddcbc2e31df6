"""The outermost door of the embedded AWS: it lets requests through, or spoils them as told.

Faults come before access checks and before any service, as a network's do.
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
from local.aws.faults.batches import Half
from local.aws.faults.rules import Fault, Faults
from local.aws.refusals import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONTROL: Final = "/_embedded/faults"
_LENGTH: Final = "content-length"
_EQUALITY = re.compile(r"=\s*(:\w+)")


class FaultyDoor:
    """A WSGI application in front of another one; without rules it only looks at the path."""

    def __init__(self, behind: "WSGIApplication") -> None:
        self._behind = behind
        self._faults = Faults()
        self._past = Past()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == _CONTROL:
            return _send(start_response, self._control(environ))
        if not self._faults or path.startswith("/_embedded/"):
            return self._behind(environ, start_response)
        faults, past = self._faults, self._past
        request = Request.read(environ)
        fault = faults.decide(request.service, request.operation, request.body)
        if fault is not None and fault.mode != "stale":
            return _send(start_response, self._spoil(fault, environ, request))
        if not past.concerns(request):
            return self._behind(environ, start_response)
        now = self._pass_on(environ, request.body)
        return _send(start_response, past.answer(request, now, fault.rule.lag if fault else 0))

    def _spoil(self, fault: Fault, environ: "WSGIEnvironment", request: Request) -> Answer:
        request_id = f"fault-{fault.mode}-{fault.number}"
        match fault.mode:
            case "drop_before":
                hang_up()
            case "drop_after":
                self._pass_on(environ, request.body)
                hang_up()
            case "delay":
                time.sleep(fault.rule.seconds)
                return self._pass_on(environ, request.body)
            case "duplicate":
                return self._twice(environ, request)
            case "partial":
                half = Half.of(request)
                done = self._pass_on(environ, half.body) if half.body else None
                return half.answer(request, done, request_id)
            case "conflict":
                return conflict(request, fault.number, request_id)
        return error(request, fault.mode, request_id)

    def _twice(self, environ: "WSGIEnvironment", request: Request) -> Answer:
        """Publish again, or let what was received be received again at once."""
        first = self._pass_on(environ, request.body)
        if request.service == "sns":
            self._pass_on(environ, request.body)
        elif first.status.startswith("200"):
            queue = json.loads(request.body)["QueueUrl"]
            for message in json.loads(first.body).get("Messages", []):
                handle = {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                body = json.dumps({"QueueUrl": queue} | handle).encode()
                self._pass_on(environ, body, target="AmazonSQS.ChangeMessageVisibility")
        return first

    def _pass_on(self, environ: "WSGIEnvironment", body: bytes, target: str = "") -> Answer:
        """Have a request answered by what is behind; a copy, so that it can be repeated."""
        copy = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        if target:
            copy["HTTP_X_AMZ_TARGET"] = target
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _: object = None, /
        ) -> Callable[[bytes], None]:
            head.append((status, headers))
            return lambda _: None

        chunks = self._behind(copy, start_response)
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
                self._follow(Faults())
                return _document("200 OK", counts)
            case "POST":
                text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                try:
                    self._follow(Faults.read(text))
                except ValueError as unreadable:
                    return _document("400 Bad Request", {"error": str(unreadable)})
                return _document("200 OK", self._faults.as_document())
        return _document("405 Method Not Allowed", {"error": "known: DELETE, GET, POST"})

    def _follow(self, faults: Faults) -> None:
        self._past = Past(faults.lag)
        self._faults = faults


class Past:
    """What queries of indexes answered, as long as somebody asks for it. Any thread may ask."""

    def __init__(self, lag: int = 0) -> None:
        self._lag = lag
        self._answers: dict[tuple[object, ...], deque[Answer]] = {}
        self._lock = Lock()

    def concerns(self, request: Request) -> bool:
        """Tell whether the answer has to be kept."""
        return bool(
            self._lag
            and (request.service, request.operation) == ("dynamodb", "Query")
            and b'"IndexName"' in request.body
        )

    def answer(self, request: Request, now: Answer, lag: int) -> Answer:
        """Keep an answer; give that of ``lag`` requests ago, or the oldest there is."""
        key = _query(json.loads(request.body))
        with self._lock:
            kept = self._answers.setdefault(key, deque(maxlen=self._lag + 1))
            kept.append(now)
            return kept[max(0, len(kept) - 1 - lag)]


def hang_up() -> None:
    """End the connection without an answer.

    The server takes this error for a client that is gone, and closes without a word.
    """
    raise ConnectionResetError(errno.ECONNRESET, "a fault was asked for")


def _query(parameters: dict[str, Any]) -> tuple[object, ...]:
    """Tell queries apart by index, partition and kind: bounds of a range move with the time."""
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
