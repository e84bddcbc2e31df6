"""Clients that are slow or silent are cut off, and take no other client's place."""

import asyncio
import resource
import socket
from contextlib import ExitStack
from http.client import HTTPResponse
from threading import Event

import httpx
import pytest
from support.eventually import eventually
from support.http_server import HttpServer
from support.order_api import ORDER, Api

from workers.api import connections
from workers.api.gate import Gate

pytestmark = pytest.mark.integration

PATIENCE = 20.0  # s
SOON = 0.3  # s
LATE = 600.0  # s
CROWD = connections.MAX_CONNECTIONS + 200
HEAD = b"GET /healthz HTTP/1.1\r\nHost: order-api\r\n"
POST = b"POST /orders HTTP/1.1\r\nHost: order-api\r\nContent-Type: application/json\r\n"


@pytest.fixture
def limits(monkeypatch):
    """Set time limits; those that are not named never end."""

    def set_limits(*, header=LATE, send=LATE):
        monkeypatch.setattr(connections, "HEADER_TIMEOUT", header)
        monkeypatch.setattr(connections, "SEND_TIMEOUT", send)

    return set_limits


@pytest.fixture
def server():
    """Start servers; return the address of each."""
    with ExitStack() as started:
        yield lambda app: started.enter_context(HttpServer(app)).address


@pytest.fixture
def many_files():
    """Let this process open a socket at both ends of every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Client:
    """A connection that sends what a test says."""

    def __init__(self, address, first=b"", *, buffer=None):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(address)
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self):
        """Send a request and return the status of its response."""
        self.socket.sendall(HEAD + b"\r\n")
        return self.status()

    def status(self):
        """Read a response and return its status."""
        response = HTTPResponse(self.socket)
        response.begin()
        response.read()
        return response.status

    def lost(self):
        """Return whether the server closes the connection."""
        try:
            return self.socket.recv(65_536) == b""
        except ConnectionResetError:
            return True

    def trickle(self, byte=b"x"):
        """Send a byte every hundredth of a second until the server closes the connection."""
        self.socket.settimeout(0.01)
        for _ in range(int(PATIENCE / 0.01)):
            try:
                self.socket.sendall(byte)
                if self.socket.recv(65_536) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:  # reset, or a broken pipe
                return
        pytest.fail("the connection is still open")


@pytest.mark.usefixtures("many_files")
def test_silent_connections_take_no_places(limits, server):
    limits()
    address = server(Api().app)
    url = "http://{}:{}".format(*address)
    with ExitStack() as opened:
        for _ in range(CROWD):
            opened.enter_context(Client(address))

        health = httpx.get(f"{url}/healthz", timeout=PATIENCE)
        placed = httpx.post(f"{url}/orders", json=ORDER, timeout=PATIENCE)
        read = httpx.get(url + placed.headers["location"], timeout=PATIENCE)

    assert (health.status_code, placed.status_code, read.status_code) == (200, 202, 200)


def test_the_connection_that_has_been_silent_for_longest_makes_room(limits, server, monkeypatch):
    limits()
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    address = server(Api().app)
    with Client(address) as kept, Client(address) as silent, Client(address) as newer:
        assert kept.ask() == 200
        assert newer.ask() == 200

        with Client(address) as newest:
            assert silent.lost()
            for client in (kept, newer, newest):
                assert client.ask() == 200


def test_a_silent_connection_is_closed_after_the_limit(limits, server):
    limits(header=SOON)
    with Client(server(Api().app)) as silent:
        assert silent.lost()


@pytest.mark.parametrize(
    ("first", "byte"),
    [
        (b"", b"G"),
        (HEAD + b"X-Slow: ", b"x"),
        (HEAD, b"\n"),
        # Answered without its body, which trickles on.
        (HEAD + b"Content-Length: 65536\r\n\r\n", b"x"),
    ],
    ids=["request line", "header", "line ends", "body after the response"],
)
def test_a_client_that_trickles_is_cut_off(limits, server, first, byte):
    limits(header=SOON)
    with Client(server(Api().app), first) as slow:
        slow.trickle(byte)


def test_a_second_request_that_trickles_is_cut_off(limits, server):
    limits(header=SOON)
    with Client(server(Api().app)) as slow:
        assert slow.ask() == 200
        slow.socket.sendall(HEAD)
        slow.trickle()


def test_a_body_that_trickles_gets_408_and_is_cut_off(limits, server):
    limits()
    app = Gate(Api().app, body_timeout=SOON)
    start = POST + b"Content-Length: 1000\r\n\r\n{"
    with Client(server(app), start) as slow:
        assert slow.status() == 408
        slow.trickle()


def test_the_limits_spare_running_requests_and_idle_connections(limits, server):
    limits(header=SOON)
    entered, go = Event(), Event()

    async def app(_scope, _receive, send):
        entered.set()
        await asyncio.to_thread(go.wait, PATIENCE)
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    address = server(app)
    with Client(address, HEAD + b"\r\n") as running, Client(address) as silent:
        assert entered.wait(PATIENCE)
        assert silent.lost()  # longer than the limit has passed
        go.set()
        assert running.status() == 200
        with Client(address) as another:
            assert another.lost()
        assert running.ask() == 200


def test_a_client_that_does_not_read_its_response_is_cut_off(limits, server):
    limits(send=SOON)
    ended = Event()

    async def app(_scope, _receive, send):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            ended.set()

    with Client(server(app), HEAD + b"\r\n", buffer=4_096):
        eventually(ended.is_set)


def test_a_response_that_is_read_slowly_arrives_whole(limits, server):
    limits(header=SOON, send=PATIENCE)
    size = 4 * 1024 * 1024

    async def app(_scope, _receive, send):
        headers = [(b"content-length", str(size).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(size)})

    with Client(server(app), HEAD + b"\r\n", buffer=4_096) as reader:
        received = 0
        while part := reader.socket.recv(65_536):
            received += len(part)

    assert received > size
