"""The AWS interface for clients: answers and counts requests, and applies the faults."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import time
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from bench.standin.faults import Faults
from bench.standin.http import JSON, XML, Request
from bench.standin.queue import Queue
from bench.standin.rush import Rush
from bench.standin.sns import Sns, form_of
from bench.standin.sqs import Refused, Sqs

# Stateless answers, which are enough for a service whose documents are always new.
_DYNAMODB: dict[str, Any] = {"GetItem": {}, "TransactWriteItems": {}, "UpdateItem": {}}

_TRACES = "/v1/traces"  # spans of a peer that exports them; they are not looked at


class Reply(Protocol):
    """Sends the answer to one request."""

    def __call__(self, body: bytes, kind: bytes = JSON) -> None: ...


class Server:
    """The stand-in for AWS. ``on_receive`` and ``on_drained`` notify the harness."""

    def __init__(
        self, port: int, *, on_receive: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        self.sqs = Sqs(f"http://127.0.0.1:{port}", on_drained)
        self.sns = Sns()
        self.faults = Faults()
        self.actions: Counter[str] = Counter()
        self.rush = Rush()
        self._on_receive = on_receive

    def queues(self) -> list[Queue]:
        """List the queues that are not dead-letter queues."""
        return [polls.queue for name, polls in self.sqs.queues.items() if not name.endswith("-dlq")]

    def clear_figures(self) -> None:
        """Reset the counters."""
        self.actions.clear()
        self.rush = Rush()
        for polls in self.sqs.queues.values():
            polls.queue.clear_figures()

    def serve(self, request: Request) -> None:
        """Answer one request."""
        if request.path.endswith(_TRACES):
            request.reply(b"")
            return
        service, action, fields = _read(request)
        self.actions[f"{service}.{action}"] += 1
        self.rush.note(time(), sum(queue.tally["deleted"] for queue in self.queues()))
        if action == "ReceiveMessage":
            self._on_receive()
        if self.faults.throttles(action):
            self._later(partial(_refuse, request, "RequestThrottled"))
            return
        lost = self.faults.loses(action)

        def reply(body: bytes, kind: bytes = JSON) -> None:
            request.connection.gone = None
            self._later(request.hang_up if lost else partial(request.reply, body, kind=kind))

        try:
            self._act(service, action, fields, request, reply)
        except Refused as error:
            self._later(partial(_refuse, request, error.code))

    def _act(
        self, service: str, action: str, fields: dict[str, Any], request: Request, reply: Reply
    ) -> None:
        match service:
            case "SQS":
                poll = self.sqs.act(action, fields, reply)
                if poll:
                    request.connection.gone = poll.forget
            case "DynamoDB" if action in _DYNAMODB:
                reply(orjson.dumps(_DYNAMODB[action]))
            case "SNS":
                reply(self.sns.act(fields), XML)
            case _:
                raise Refused("UnsupportedOperation")

    def _later(self, send: Callable[[], None]) -> None:
        if self.faults.latency:
            asyncio.get_running_loop().call_later(self.faults.latency, send)
        else:
            send()


def _read(request: Request) -> tuple[str, str, dict[str, Any]]:
    """Return service, action and fields of a JSON request, or else of the query protocol."""
    if request.target:
        service, _, action = request.target.partition(".")
        name = service.partition("_")[0].removeprefix("Amazon")
        return name, action, orjson.loads(request.body or b"{}")
    form = form_of(request.body) or form_of(urlsplit(request.path).query.encode())
    return "SNS", form.get("Action", ""), form


def _refuse(request: Request, code: str) -> None:
    body = orjson.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": code})
    request.reply(body, 400, extra=b"x-amzn-query-error: %s;Sender\r\n" % code.encode())
