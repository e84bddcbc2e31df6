"""The HTTP server still accepts requests for a while when it is stopped, then finishes them."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from threading import Event, Thread, Timer

import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import BackgroundTasks, FastAPI
from prometheus_client import CollectorRegistry
from support.eventually import eventually
from support.fakes import FakeClock

from workers.api.access import Access, AccessMetrics
from workers.api.server import LONGEST_DRAIN, listen, serve
from workers.runtime.worker import Deadline, Stopping

pytestmark = pytest.mark.integration

PATIENCE = 10.0  # s


STOP_TIMEOUT = 120  # s on the virtual clock


class Server:
    """A server with one endpoint that lasts until the test lets it finish."""

    def __init__(self):
        self.entered, self.go = Event(), Event()
        self.deadline = Deadline(STOP_TIMEOUT, now=FakeClock())
        self.afterwards = []
        self._stopping = Stopping()
        self._listener = listen("127.0.0.1", 0)
        self.address = self._listener.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        self._thread = Thread(target=self.serve, daemon=True)

    def serve(self):
        serve(self._app(), self._listener, stopping=self._stopping)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self.stop()

    def signal(self):
        """Do what a signal does. The drain lasts until the clock moves."""
        self.deadline.start()
        self._stopping.by(self.deadline)

    def end_drain(self):
        self.deadline.now.advance(LONGEST_DRAIN)

    def stop(self):
        self.signal()
        self.end_drain()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def refuses(self):
        try:
            socket.create_connection(self.address, timeout=1).close()
        except OSError:
            return True
        return False

    def _app(self):
        app = FastAPI()
        app.add_middleware(Access, metrics=AccessMetrics(CollectorRegistry()))

        @app.get("/quick")
        async def quick():
            return "quick"

        @app.get("/threads")
        async def threads():
            return current_default_thread_limiter().total_tokens

        @app.get("/slow")
        def slow(background: BackgroundTasks):
            background.add_task(self.afterwards.append, "done")
            self.entered.set()
            self.go.wait(PATIENCE)
            return "slow"

        return app


def test_responses_do_not_name_the_server_software():
    with Server() as server:
        answer = httpx.get(f"{server.url}/quick")

    assert answer.json() == "quick"
    assert "server" not in answer.headers


def test_it_has_as_many_threads_as_connections(monkeypatch):
    monkeypatch.setattr("workers.api.server.REQUEST_THREADS", 7)
    with Server() as server:
        assert httpx.get(f"{server.url}/threads").json() == 7


def closes(url):
    """Return whether a response on a new connection tells the client to close it."""
    return httpx.get(f"{url}/quick").headers.get("connection") == "close"


def test_a_draining_server_accepts_connections_and_tells_clients_to_close_them():
    with Server() as server, httpx.Client() as client:
        kept = client.get(f"{server.url}/quick")
        assert "connection" not in kept.headers

        server.signal()

        eventually(lambda: closes(server.url))
        answer = client.get(f"{server.url}/quick")  # on the old connection
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        server.deadline.now.advance(LONGEST_DRAIN - 1)
        assert not server.refuses()
        assert closes(server.url)
        server.deadline.now.advance(1)
        eventually(server.refuses)


def test_a_running_request_and_its_task_finish_while_new_ones_are_refused():
    with Server() as server, ThreadPoolExecutor(1) as client:
        running = client.submit(httpx.get, f"{server.url}/slow", timeout=PATIENCE)
        assert server.entered.wait(PATIENCE)

        server.signal()
        server.end_drain()
        eventually(server.refuses)
        server.go.set()

        assert running.result(PATIENCE).json() == "slow"
        server.stop()
        assert server.afterwards == ["done"]


def test_an_idle_connection_is_closed_at_the_end_of_the_drain():
    with Server() as server, closing(HTTPConnection(*server.address, PATIENCE)) as client:
        client.request("GET", "/quick")
        assert client.getresponse().read() == b'"quick"'

        server.signal()
        eventually(lambda: closes(server.url))
        client.sock.settimeout(0)
        with pytest.raises(BlockingIOError):  # still open
            client.sock.recv(1)
        server.stop()

        client.sock.settimeout(PATIENCE)
        assert client.sock.recv(1) == b""


def test_a_second_signal_ends_the_drain_at_once():
    with Server() as server:
        server.signal()
        eventually(lambda: closes(server.url))

        server.signal()

        eventually(server.refuses)


def test_a_request_longer_than_the_grace_period_does_not_delay_the_stop():
    with Server() as server, ThreadPoolExecutor(1) as client:
        running = client.submit(httpx.get, f"{server.url}/slow", timeout=PATIENCE)
        assert server.entered.wait(PATIENCE)

        server.signal()
        server.deadline.now.advance(STOP_TIMEOUT)

        answer = running.result(PATIENCE)
        server.go.set()
        server.stop()
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:problem-type:stopping"
        assert answer.headers["Retry-After"] == "1"


def test_the_server_does_not_handle_signals():
    server, seen = Server(), []
    before = signal.getsignal(signal.SIGTERM)

    def look():
        httpx.get(f"{server.url}/quick")
        seen.append(signal.getsignal(signal.SIGTERM))
        server.signal()
        server.end_drain()

    Timer(0, look).start()
    server.serve()

    assert seen == [before]


def test_a_port_in_use_is_an_error():
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])
