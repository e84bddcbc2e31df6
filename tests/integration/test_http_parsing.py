"""order-api's HTTP parser: what it refuses, what it answers first, and what passes for a header."""

import socket
import time
from http.client import HTTPResponse
from json import dumps

import pytest
from support.http_server import HttpServer
from support.order_api import ORDER, Api

from workers.api.connections import MAX_HEADER_BYTES, MAX_PIPELINED

pytestmark = pytest.mark.integration

PATIENCE = 20.0  # s
HOST = b"Host: order-api\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
BODY = dumps(ORDER).encode()
POST = b"POST /orders HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
PLACE = POST + b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# What Java's client asks for with each request: RFC 9113, 3.1 has it deprecated.
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"


CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def api():
    return Api(origin_keys=())


@pytest.fixture(scope="module")
def server(api):
    with HttpServer(api.app) as running:
        yield running.address


def ask(address, *parts):
    """Send parts, each in a packet of its own; return the statuses until the server closes."""
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
            time.sleep(0.01)
        return answers(client)


def answers(client):
    found = []
    stream = client.makefile("rb")
    while stream.peek(1):
        response = HTTPResponse(_Reads(stream))
        response.begin()
        response.read()
        found.append(response.status)
    return found


class _Reads:
    """A socket whose responses are read from one buffer."""

    def __init__(self, stream):
        self._stream = stream

    def makefile(self, _mode):
        return _Open(self._stream)


class _Open:
    def __init__(self, stream):
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto

    def flush(self):
        """Do nothing."""

    def close(self):
        """Stay open for the next response."""


LAST = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\n" + CLOSE,
        b"GET /healthz HTTP/2.0\r\n" + CLOSE,
        GET + HOST + CLOSE,
        GET + b"A name: x\r\n\r\n",
        GET + b"X: a\r\n folded\r\n\r\n",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
        POST + b"Content-Length: -2\r\n\r\n",
        CHUNKED + b"not a size\r\n",
        b"CONNECT order-api:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        "GET /ä HTTP/1.1\r\n".encode() + HOST + b"\r\n",
        b"hello\r\n\r\n",
    ],
    ids=[
        "no host",
        "no host, HTTP/2.0",
        "two hosts",
        "header name",
        "folded header",
        "length and chunks",
        "two lengths",
        "negative length",
        "chunk size",
        "proxy",
        "target",
        "no HTTP",
    ],
)
def test_a_malformed_request_gets_400_and_is_cut_off(server, request_bytes):
    assert ask(server, request_bytes) == [400]


def test_http_1_0_needs_no_host(server):
    assert ask(server, b"GET /healthz HTTP/1.0\r\n\r\n") == [200]


H2C_GET = GET + H2C + b"X: "
LONG = b"x" * (MAX_HEADER_BYTES // 2 + 1)


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET /", LONG, LONG),
        (GET + b"X: ", LONG, LONG),
        (GET + b"X: " + LONG + LONG + b"\r\n" + CLOSE,),
        (H2C_GET, LONG + LONG),
        (GET, *[b"X-%d: " % n + b"x" * 1_000 + b"\r\n" for n in range(17)]),
        (CHUNKED + b"0\r\nX: ", LONG, LONG),
        (CHUNKED + b"0\r\n", *[b"X-%d: " % n + b"x" * 1_000 + b"\r\n" for n in range(17)]),
        (CHUNKED + b"1;x=", LONG, LONG),
    ],
    ids=[
        "target",
        "header",
        "in one packet",
        "after an upgrade",
        "headers",
        "trailer",
        "trailers",
        "chunk extension",
    ],
)
def test_headers_that_are_too_large_are_refused(server, parts):
    assert ask(server, *parts) == [400]


def test_a_large_body_in_small_parts_is_no_header(server):
    parts = [b"1000\r\n" + b" " * 0x1000 + b"\r\n"] * 12
    assert ask(server, CHUNKED, *parts, b"0\r\n\r\n" + LAST) == [400, 200]  # empty: no JSON


def test_many_requests_on_one_connection_are_no_large_header(server):
    request = GET + b"X: " + b"x" * (MAX_HEADER_BYTES // 3) + b"\r\n\r\n"

    assert ask(server, *[request] * 6, LAST) == [200] * 7


def test_whitespace_after_a_header_is_no_part_of_it(server, api):
    """RFC 9112, 5.1. Two requests with one key are one order."""
    before = len(api.topic.published)
    for key in (b"a-key", b"a-key \t", b" a-key"):
        request = PLACE + b"Idempotency-Key: " + key + b"\r\n" + CLOSE + BODY
        assert ask(server, request) == [202]

    assert len(api.topic.published) == before + 1


def test_whitespace_after_a_transfer_coding_is_no_part_of_it(server):
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)

    assert ask(server, POST + b"Transfer-Encoding: chunked \r\n" + CLOSE + chunks) == [202]


def test_requests_sent_ahead_are_answered_in_order(server):
    assert ask(server, PLACE + b"\r\n" + BODY + GET + b"\r\n" + LAST) == [202, 200, 200]


def test_too_many_requests_sent_ahead_are_cut_off(server):
    found = ask(server, (GET + b"\r\n") * 100)

    assert found == [200] * (MAX_PIPELINED + 1)


def test_a_request_is_answered_although_the_next_one_is_malformed(server):
    """An answer 400 in its place would tell the client that no order was placed."""
    assert ask(server, PLACE + b"\r\n" + BODY + b"hello\r\n\r\n") == [202]


def test_a_request_is_answered_although_the_next_body_is_malformed(server):
    assert ask(server, PLACE + b"\r\n" + BODY + CHUNKED + b"no size\r\n") == [202]


def test_a_connection_outlives_the_body_of_a_refused_request(monkeypatch):
    """A gateway keeps it for the requests of others."""
    monkeypatch.setattr("workers.api.connections.HEADER_TIMEOUT", 0.3)
    with (
        HttpServer(Api(origin_keys=("k" * 32,)).app) as server,
        socket.create_connection(server.address, timeout=PATIENCE) as client,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(PLACE + b"\r\n")
        assert b" 403 " in client.recv(65_536).partition(b"\r\n")[0]
        client.sendall(BODY)
        time.sleep(0.6)
        client.sendall(LAST)
        assert answers(client) == [200]


@pytest.mark.parametrize("split", [0, 10, len(BODY)])
def test_a_client_that_asks_for_http_2_is_served_as_before(server, split):
    whole = BODY + LAST
    assert ask(server, PLACE + H2C + b"\r\n" + whole[:split], whole[split:]) == [202, 200]


def test_requests_for_http_2_sent_ahead_are_served(server):
    assert ask(server, (GET + H2C + b"\r\n") * 3 + LAST) == [200] * 4


def test_a_client_may_wait_before_it_sends_the_body(server):
    parts = PLACE + b"Expect: 100-continue\r\nConnection: close\r\n\r\n", BODY
    assert ask(server, *parts) == [202]  # http.client skips 100


def test_trailers_do_not_pass_for_headers():
    """A gateway checks and replaces headers, and may let trailers pass."""
    body = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    with HttpServer(Api(origin_keys=("k" * 32,)).app) as server:
        header = b"X-Origin-Key: " + b"k" * 32 + b"\r\n"
        late = ask(server.address, CHUNKED + body + header + b"\r\n" + LAST)
        early = ask(server.address, CHUNKED[:-2] + header + b"\r\n" + body + b"\r\n" + LAST)

    assert (late[0], early[0]) == (403, 202)
