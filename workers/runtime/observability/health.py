"""The health port of a process: /livez, /readyz and /metrics. Nothing behind it calls AWS."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

Problems = Callable[[], list[str]]
SOCKET_TIMEOUT: Final = 5  # s for one request
# s between looks for an end that never comes: the thread is a daemon. The default, half a second,
# would be half of the CPU time of an idle worker.
GLANCE: Final = 7_200.0


@dataclass(frozen=True)
class Status:
    """What a process answers about itself."""

    problems: Problems = list  # reasons to replace it
    obstacles: Problems = list  # reasons why it takes no work at the moment
    registry: CollectorRegistry | None = None  # without one there is no /metrics
    warnings: Problems = list  # what fails although it takes work


STARTING: Final = Status(obstacles=lambda: ["starting"])


class Health:
    """Answers whether a process is alive and ready, and serves its metrics."""

    def __init__(self, status: Callable[[], Status]) -> None:
        """``status`` is called for each request: a process has another once it has started."""
        self._status = status

    def serve(self, port: int) -> int:
        """Answer on all interfaces, in a thread; returns the port (0 picks a free one).

        Raises ``OSError`` if the port is taken.
        """
        server = make_server("0.0.0.0", port, self._answer, _Server, _Quiet)  # noqa: S104 - scraped from outside
        Thread(target=server.serve_forever, args=(GLANCE,), name="health", daemon=True).start()
        return server.server_port

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = self._status()
        match environ.get("PATH_INFO"):
            case "/livez":
                return _report(status.problems(), start_response)
            case "/readyz":
                failing = [*status.problems(), *status.obstacles()]
                return _report(failing, start_response, status.warnings())
            case "/metrics" if status.registry is not None:
                return make_wsgi_app(status.registry)(environ, start_response)  # type: ignore[no-any-return]  # WSGI is untyped
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/livez, /readyz or /metrics\n"]


def _report(
    problems: list[str], start_response: StartResponse, warnings: Sequence[str] = ()
) -> list[bytes]:
    status = "503 Service Unavailable" if problems else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    word = "failing" if problems else "degraded" if warnings else "ok"
    return [orjson.dumps({"status": word, "problems": [*problems, *warnings]})]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without looking up the host name in DNS, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # typed for every family
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Keep probes that stall or disconnect out of the log too."""


class _Quiet(WSGIRequestHandler):
    timeout = SOCKET_TIMEOUT

    def log_message(self, *_: object) -> None:
        """Keep probes out of the log."""
