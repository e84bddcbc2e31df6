"""The embedded AWS itself: moto, corrected, behind one door.

Only the server's own process imports this module: it changes moto for good.
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

from local.aws.corrections import Corrections
from local.aws.counts import Counts, Request
from local.aws.direct import ask, handler_for
from local.aws.faults.door import FaultyDoor
from local.aws.iam.access import Access
from local.aws.mails import sent_mails
from local.aws.moto_core import shorten_moto
from local.aws.refusals import Answer, answer
from local.aws.services.dynamodb import correct_dynamodb
from local.aws.services.expressions import read_expressions_once
from local.aws.services.sns import correct_sns
from local.aws.services.sqs import correct_sqs
from local.aws.services.strict_dynamodb import refusal
from local.aws.services.strict_sns import refuse_what_sns_refuses
from local.aws.services.strict_sqs import refuse_move_tasks, refuse_what_sqs_refuses
from local.aws.services.tables import correct_tables

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK: Final = "127.0.0.1"
# Longer than a client keeps an idle connection (s), so that it is never closed under a request.
_KEEP_ALIVE: Final = 300
# A worker opens many connections at once; a full backlog would reset them.
_BACKLOG: Final = 256
# Services whose requests run at the same time: SQS waits in them, and is corrected for that, and
# SNS hands over to SQS. Elsewhere moto is not made for it: DynamoDB loses acknowledged writes,
# and others delete, fail, and tell the repeated request that there is nothing to delete.
_AT_ONCE: Final = frozenset({"sqs", "sns"})


def serve(port: int) -> None:
    """Serve AWS on the loopback interface until SIGTERM or SIGINT."""
    os.environ["MOTO_PORT"] = str(port)  # where moto calls itself
    refuse_what_sqs_refuses()
    refuse_move_tasks()
    refuse_what_sns_refuses()
    shorten_moto()
    correct_sqs()
    correct_sns()
    correct_dynamodb()
    correct_tables()
    read_expressions_once()
    moto = DomainDispatcherApplication(create_backend_app)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Everything is in memory, so there is nothing to finish; open polls must not hold it up.
        signal.signal(number, lambda *_: os._exit(0))
    _Server(
        (LOOPBACK, port),
        FaultyDoor(Door(moto)),
        numthreads=1,  # which cheroot wants, and which have nothing to do
        request_queue_size=_BACKLOG,
        timeout=_KEEP_ALIVE,
    ).safe_start()


class _Server(Server):
    """A server with a thread for each connection, for as long as the connection lasts.

    A connection of an SDK is always either in use, perhaps in a long poll, or about to be. To
    wait for it elsewhere, and to hand it to a thread for every request, takes longer than most
    requests, and cheroot keeps ten such connections open only.
    """

    def process_conn(self, conn: HTTPConnection) -> None:
        """Serve a new connection."""
        Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: HTTPConnection) -> None:
        try:
            while conn.communicate():  # type: ignore[no-untyped-call] # cheroot has few types
                pass
        except ConnectionError:
            pass  # the client has gone
        finally:
            conn.close()


class Door:
    """The WSGI application in front of moto: it counts, serialises, and refuses."""

    def __init__(self, moto: "WSGIApplication") -> None:
        self._moto = moto
        self._access = Access()
        self._corrections = Corrections()
        self._counts = Counts()
        self._one_at_a_time: dict[str, Lock] = {}  # by service

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path.startswith("/_embedded/"):
            return self._about(path, start_response)
        environ.setdefault("RAW_URI", environ["REQUEST_URI"])  # werkzeug's server sets it
        request = Request.read(environ)
        self._counts.add(request)
        self._corrections.apply(request.service)
        if refused := self._access.refusal(request):
            return _send(start_response, answer(request, refused))
        if request.service == "dynamodb" and (why := refusal(json.loads(request.body or b"{}"))):
            error = {"__type": "com.amazon.coral.validate#ValidationException", "message": why}
            return _json(start_response, error, "400 Bad Request", "application/x-amz-json-1.0")
        if request.service in _AT_ONCE:
            return self._ask(request, environ, start_response)
        with self._one_at_a_time.setdefault(request.service, Lock()):
            return list(self._ask(request, environ, start_response))

    def _ask(
        self, request: Request, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Let moto answer, by the short way where there is one."""
        if handler := handler_for(request, environ):
            return _send(start_response, ask(handler, request, environ))
        return self._moto(environ, start_response)

    def _about(self, path: str, start_response: "StartResponse") -> Iterable[bytes]:
        match path.removeprefix("/_embedded/"):
            case "health":
                return _json(start_response, {"status": "ok", "pid": os.getpid()})
            case "cpu":
                return _json(start_response, {"seconds": time.process_time()})
            case "requests":
                return _json(start_response, self._counts.as_document())
            case "rights":
                return _json(start_response, self._access.as_document())
            case "mails":
                return _json(start_response, sent_mails())
            case _:
                return _json(start_response, {"error": "not found"}, "404 Not Found")


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
