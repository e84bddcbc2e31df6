"""Connections are kept only while the server keeps them. Most else is in test_transports.py."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from workers.aws.connections import Connections

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def connections(server):
    host, port = server.getsockname()
    return Connections(f"http://{host}:{port}", connect_timeout=10, read_timeout=10, keep=1)


@pytest.fixture
def answered(server, connections):
    """Send a request by a new connection, and answer it without closing the connection."""
    accepted = []

    def post(response):
        with ThreadPoolExecutor(1) as pool:
            posted = pool.submit(connections.post, {}, b"")
            connection, _ = server.accept()
            accepted.append(connection)
            connection.recv(1_000)
            connection.sendall(response)
            return posted.result(10)

    yield post
    for connection in accepted:
        connection.close()


def test_a_connection_that_the_server_will_close_is_not_used_again(answered):
    for _ in range(2):
        assert answered(CLOSING).content == b"{}"


def test_a_connection_after_which_something_follows_is_not_used_again(answered):
    for _ in range(2):
        assert answered(CLOSING.replace(b"close", b"keep-alive") + b"junk").content == b"{}"


@pytest.mark.parametrize("response", [b"SSH-2.0\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"])
def test_what_is_no_response_is_a_broken_connection(answered, response):
    with pytest.raises(ConnectionClosedError):
        answered(response)


@pytest.mark.parametrize("token", ["a\r\nX-Other: 1", "€"])
def test_a_token_that_no_header_can_hold_is_the_sdks_error(connections, server, token):
    with pytest.raises(HTTPClientError):
        connections.post({"X-Amz-Security-Token": token}, b"")

    server.settimeout(0.0)
    with pytest.raises(BlockingIOError):
        server.accept()
