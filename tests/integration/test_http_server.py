"""The HTTP server serves until it is stopped, and then finishes running requests."""

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, Timer

import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import BackgroundTasks, FastAPI
from prometheus_client import CollectorRegistry
from support.eventually import eventually

from workers.api.access import Access, AccessMetrics
from workers.api.server import listen, serve

pytestmark = pytest.mark.integration

PATIENCE = 10.0  # s


class Server:
    """A server with one endpoint that lasts until the test lets it finish."""

    def __init__(self, grace=PATIENCE):
        self.entered, self.go, self.stopping = Event(), Event(), Event()
        self.afterwards = []
        self._listener = listen("127.0.0.1", 0)
        self.address = self._listener.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        self._thread = Thread(target=self.serve, args=[grace], daemon=True)

    def serve(self, grace):
        serve(self._app(), self._listener, stopping=self.stopping, grace=grace)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.go.set()
        self.stop()

    def stop(self):
        self.stopping.set()
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


def test_a_running_request_and_its_task_finish_while_new_ones_are_refused():
    with Server() as server, ThreadPoolExecutor(1) as client:
        running = client.submit(httpx.get, f"{server.url}/slow", timeout=PATIENCE)
        assert server.entered.wait(PATIENCE)

        server.stopping.set()
        eventually(server.refuses)
        server.go.set()

        assert running.result(PATIENCE).json() == "slow"
        server.stop()
        assert server.afterwards == ["done"]


def test_an_idle_connection_does_not_delay_the_stop():
    with Server(grace=60) as server, httpx.Client() as client:
        client.get(f"{server.url}/quick")

        server.stop()


def test_a_request_longer_than_the_grace_period_does_not_delay_the_stop():
    with Server(grace=1) as server, ThreadPoolExecutor(1) as client:
        running = client.submit(httpx.get, f"{server.url}/slow", timeout=PATIENCE)
        assert server.entered.wait(PATIENCE)

        server.stopping.set()

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
        server.stopping.set()

    Timer(0, look).start()
    server.serve(grace=1)

    assert seen == [before]


def test_a_port_in_use_is_an_error():
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])
