"""The server of the embedded AWS: moto with corrections, access checks and faults.

Only the server's own process imports this module, because it patches moto permanently.
"""

import json
import os
import signal
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from cheroot.server import HTTPConnection
from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.aws.conformance import Violations
from local.aws.corrections import Corrections
from local.aws.counts import Counts, Request
from local.aws.direct import ask, handler_for
from local.aws.faults.middleware import FaultMiddleware
from local.aws.iam.access import Access
from local.aws.mails import sent_mails
from local.aws.moto_core import speed_up_moto
from local.aws.refusals import Answer, answer
from local.aws.services.dynamodb import correct_dynamodb
from local.aws.services.expressions import cache_expressions
from local.aws.services.firehose import deliver_to_firehose, flush
from local.aws.services.move_tasks import add_move_tasks
from local.aws.services.sns import correct_sns
from local.aws.services.sqs import correct_sqs
from local.aws.services.strict_dynamodb import refusal
from local.aws.services.strict_firehose import refuse_what_firehose_refuses
from local.aws.services.strict_sns import refuse_what_sns_refuses
from local.aws.services.strict_sqs import refuse_what_sqs_refuses
from local.aws.services.tables import correct_tables

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK: Final = "127.0.0.1"
# s; longer than clients keep idle connections, so that none is closed during a request.
_KEEP_ALIVE: Final = 300
# A worker opens many connections at once; a full backlog would reset some of them.
_BACKLOG: Final = 256
# Services whose requests run concurrently: SQS, because long polls wait, and SNS, which passes
# messages to SQS. Both are corrected for it. The rest of moto is not thread-safe: DynamoDB loses
# acknowledged writes, and other services delete, fail, and answer the repeated request that there
# is nothing to delete.
_CONCURRENT: Final = frozenset({"sqs", "sns"})


def serve(port: int) -> None:
    """Serve AWS on the loopback interface until SIGTERM or SIGINT."""
    os.environ["MOTO_PORT"] = str(port)  # moto sends requests to itself there
    refuse_what_sqs_refuses()
    refuse_what_sns_refuses()
    speed_up_moto()
    correct_sqs()
    add_move_tasks()
    correct_sns()
    deliver_to_firehose()
    refuse_what_firehose_refuses()
    correct_dynamodb()
    correct_tables()
    cache_expressions()
    moto = DomainDispatcherApplication(create_backend_app)
    for number in (signal.SIGTERM, signal.SIGINT):
        # All state is in memory, so nothing has to be finished; open polls must not delay the exit.
        signal.signal(number, lambda *_: os._exit(0))
    _Server(
        (LOOPBACK, port),
        FaultMiddleware(Frontend(moto)),
        numthreads=1,  # cheroot needs one, although it stays idle
        request_queue_size=_BACKLOG,
        timeout=_KEEP_ALIVE,
    ).safe_start()


class _Server(Server):
    """A server with one thread per connection, for the life of the connection.

    An SDK's connection is nearly always in use, perhaps by a long poll. Waiting for it in another
    thread and passing it on for each request takes longer than most requests, and cheroot keeps
    only ten such connections open.
    """

    def process_conn(self, conn: HTTPConnection) -> None:
        """Serve a new connection."""
        Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: HTTPConnection) -> None:
        try:
            while conn.communicate():  # type: ignore[no-untyped-call] # cheroot has few types
                pass
        except ConnectionError:
            pass  # the client has disconnected
        finally:
            conn.close()


class Frontend:
    """The WSGI application in front of moto: counts, authorises and serialises requests."""

    def __init__(self, moto: "WSGIApplication") -> None:
        self._moto = moto
        self._access = Access()
        self._corrections = Corrections()
        self._counts = Counts()
        self._violations: Violations | None = None  # until a test asks for them
        self._one_at_a_time: dict[str, Lock] = {}  # by service

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path.startswith("/_embedded/"):
            return self._about(environ["REQUEST_METHOD"], path, start_response)
        environ.setdefault("RAW_URI", environ["REQUEST_URI"])  # werkzeug's server sets it
        request = Request.read(environ)
        self._counts.add(request)
        if self._violations is not None:
            self._violations.check(request, environ)
        self._corrections.apply(request.service)
        if refused := self._access.refusal(request):
            return _send(start_response, answer(request, refused))
        if request.service == "dynamodb" and (why := refusal(json.loads(request.body or b"{}"))):
            error = {"__type": "com.amazon.coral.validate#ValidationException", "message": why}
            return _json(start_response, error, "400 Bad Request", "application/x-amz-json-1.0")
        if request.service in _CONCURRENT:
            return self._ask(request, environ, start_response)
        with self._one_at_a_time.setdefault(request.service, Lock()):
            if request.service == "s3":
                flush()
            return list(self._ask(request, environ, start_response))

    def _ask(
        self, request: Request, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer with moto's handler where possible, else through Flask."""
        if handler := handler_for(request, environ):
            return _send(start_response, ask(handler, request, environ))
        return self._moto(environ, start_response)

    def _about(self, method: str, path: str, start_response: "StartResponse") -> Iterable[bytes]:
        document: object
        match path.removeprefix("/_embedded/"):
            case "health":
                document = {"status": "ok", "pid": os.getpid()}
            case "cpu":
                document = {"seconds": time.process_time()}
            case "requests":
                document = self._counts.as_document()
            case "rights":
                document = self._access.as_document()
            case "violations":
                if method == "POST":
                    self._violations = Violations()
                document = self._violations and self._violations.as_document()
            case "mails":
                document = sent_mails()
            case _:
                return _json(start_response, {"error": "not found"}, "404 Not Found")
        return _json(start_response, document)


def _json(
    start_response: "StartResponse",
    document: object,
    status: str = "200 OK",
    content_type: str = "application/json",
) -> Iterable[bytes]:
    headers = [("Content-Type", content_type)]
    return _send(start_response, Answer(status, headers, json.dumps(document).encode()))


def _send(start_response: "StartResponse", reply: Answer) -> Iterable[bytes]:
    length, date = str(len(reply.body)), _date(int(time.time()))
    start_response(reply.status, [*reply.headers, ("Content-Length", length), ("Date", date)])
    return [reply.body]


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
