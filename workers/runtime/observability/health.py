"""One port for those who watch: /livez, /readyz and /metrics. Nothing behind it calls AWS."""

from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

Problems = Callable[[], list[str]]
SOCKET_TIMEOUT: Final = 5  # s for one request


class Health:
    """Says whether this process lives (or should be replaced) and whether it works right now."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry | None = None
        self.problems: Problems = list
        self.obstacles: Problems = lambda: ["starting"]

    def serve(self, port: int) -> int:
        """Answer on all interfaces from a thread of its own; returns the port (0 picks one).

        Raises ``OSError`` if the port is taken.
        """
        server = make_server("0.0.0.0", port, self._answer, _Server, _Quiet)  # noqa: S104 - scraped from outside
        Thread(target=server.serve_forever, name="health", daemon=True).start()
        return server.server_port

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/livez":
                return _report(self.problems(), start_response)
            case "/readyz":
                return _report([*self.problems(), *self.obstacles()], start_response)
            case "/metrics" if self.registry is not None:
                return make_wsgi_app(self.registry)(environ, start_response)  # type: ignore[no-any-return]  # WSGI is untyped
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/livez, /readyz or /metrics\n"]


def _report(problems: list[str], start_response: StartResponse) -> list[bytes]:
    status = "503 Service Unavailable" if problems else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    return [orjson.dumps({"status": "failing" if problems else "ok", "problems": problems})]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking DNS for our own name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # typed for every family
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Keep probes that stall or hang up out of the log too."""


class _Quiet(WSGIRequestHandler):
    timeout = SOCKET_TIMEOUT

    def log_message(self, *_: object) -> None:
        """Keep probes out of the log."""
