"""The AWS interface for clients: answers and counts requests, and applies the faults."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import time
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from bench.standin import forms
from bench.standin.dynamodb.actions import DynamoDb
from bench.standin.faults import Faults
from bench.standin.http import JSON, XML, Request
from bench.standin.queue import Queue
from bench.standin.refusals import Refused
from bench.standin.rush import Rush
from bench.standin.ses import SEND_PATH, Ses
from bench.standin.sns import Sns
from bench.standin.sqs import ACCOUNT, Sqs

_TRACES = "/v1/traces"  # spans of a peer that exports them; they are not looked at
_PREFIXES = {"SQS": "com.amazonaws.sqs", "DynamoDB": "com.amazonaws.dynamodb.v20120810"}
_IDENTITY = f"<Account>{ACCOUNT}</Account><Arn>arn:aws:iam::{ACCOUNT}:root</Arn><UserId>x</UserId>"


class Reply(Protocol):
    """Sends the answer to one request."""

    def __call__(self, body: bytes, kind: bytes = JSON) -> None: ...


class Server:
    """The stand-in for AWS. ``on_receive`` and ``on_drained`` notify the harness."""

    def __init__(
        self, port: int, *, on_receive: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        self.sqs = Sqs(f"http://127.0.0.1:{port}", on_drained)
        self.sns = Sns(ACCOUNT, self.sqs.deliver)
        self.ses = Ses()
        self.dynamodb = DynamoDb()
        self.actions: Counter[str] = Counter()
        self.rush = Rush()
        self._on_receive = on_receive

    @property
    def faults(self) -> Faults:
        """The faults, some of which the queues apply."""
        return self.sqs.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.sqs.faults = faults
        self.dynamodb.holds.seconds = faults.latency

    def queues(self) -> list[Queue]:
        """List the queues that are not dead-letter queues."""
        return [polls.queue for name, polls in self.sqs.queues.items() if not name.endswith("-dlq")]

    def clear_figures(self) -> None:
        """Reset the counters."""
        self.actions.clear()
        self.faults.counts.clear()
        self.rush = Rush()
        self.dynamodb.clear_figures()
        self.sns.clear_figures()
        self.ses.sent = 0
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
            self._later(partial(_refuse, request, service, Refused("RequestThrottled")))
            return
        lost = self.faults.loses(action)

        def reply(body: bytes, kind: bytes = JSON) -> None:
            request.connection.gone = None
            self._later(request.hang_up if lost else partial(request.reply, body, kind=kind))

        try:
            self._act(service, action, fields, request, reply)
        except Refused as error:
            self._later(partial(_refuse, request, service, error))

    def _act(
        self, service: str, action: str, fields: dict[str, Any], request: Request, reply: Reply
    ) -> None:
        match service:
            case "SQS":
                poll = self.sqs.act(action, fields, reply)
                if poll:
                    request.connection.gone = poll.forget
            case "DynamoDB":
                reply(orjson.dumps(self.dynamodb.act(action, fields)))
            case "SNS":
                reply(forms.answer(action, self.sns.act(action, fields)), XML)
            case "SES" if request.path == SEND_PATH:
                reply(orjson.dumps(self.ses.send(fields)))
            case "SES":
                reply(forms.answer(action, self.ses.act(action, fields)), XML)
            case "STS" if action == "GetCallerIdentity":
                reply(forms.answer(action, _IDENTITY), XML)
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
    if request.path == SEND_PATH:
        return "SES", "SendEmail", orjson.loads(request.body)
    form = forms.form_of(request.body) or forms.form_of(urlsplit(request.path).query.encode())
    return forms.service_of(form), form.get("Action", ""), form


def _refuse(request: Request, service: str, error: Refused) -> None:
    if not request.target and request.path != SEND_PATH:
        request.reply(forms.refusal(error), 404 if error.code == "NotFound" else 400, XML)
        return
    kind = f"{_PREFIXES.get(service, 'com.amazonaws')}#{error.code}"
    body = orjson.dumps({"__type": kind, "message": error.message, **error.fields})
    legacy = b"x-amzn-query-error: %s;Sender\r\n" % error.code.encode() if service == "SQS" else b""
    request.reply(body, 400, extra=legacy)
