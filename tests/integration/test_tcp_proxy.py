"""A proxy passes, cuts, silences and resets the connections through it."""

import socket
from contextlib import suppress
from threading import Thread

import pytest
from support.eventually import eventually

from local.tcp_proxy import LOOPBACK, TcpProxy

pytestmark = pytest.mark.integration

A_WHILE = 0.2  # s without data that count as silence


class Echo:
    """A server that sends back what it receives."""

    def __init__(self):
        self.got = b""
        self.connections = []
        self.ended = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self):
        for each in (self._listener, *self.connections):
            with suppress(OSError):  # a thread may be waiting in it
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        with suppress(OSError):
            while data := connection.recv(1024):
                self.got += data
                connection.sendall(data)
        self.ended += 1


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo):
    proxy = TcpProxy(echo.port)
    proxy.join()
    yield proxy
    proxy.close()


@pytest.fixture
def connect(proxy):
    opened = []

    def connect():
        port = int(proxy.url.rpartition(":")[2])
        opened.append(socket.create_connection((LOOPBACK, port), timeout=5))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def said(connection, data=b"hello"):
    """Send bytes; return the response."""
    connection.sendall(data)
    return connection.recv(1024)


def silent(connection):
    """Return whether neither data nor an end of the stream arrives."""
    connection.settimeout(A_WHILE)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)
    return False


def until_a_reset(connection):
    """Return what arrived before the reset; fail on an ordinary end."""
    got = b""
    while True:
        try:
            data = connection.recv(1024)
        except ConnectionResetError:
            return got
        assert data
        got += data


def test_bytes_pass_both_ways(connect, proxy):
    assert said(connect()) == b"hello"
    assert proxy.reached == 1


def test_the_end_of_a_stream_passes(connect, echo):
    connection = connect()
    said(connection)

    connection.shutdown(socket.SHUT_WR)

    assert connection.recv(1) == b""
    eventually(lambda: echo.ended == 1)


def test_a_cut_ends_connections_and_refuses_new_ones(connect, proxy):
    connection = connect()
    said(connection)

    proxy.cut()

    assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.join()
    assert said(connect()) == b"hello"


def test_a_black_hole_drops_data_silently(connect, proxy, echo):
    old = connect()
    said(old)

    proxy.black_hole()
    new = connect()

    for connection in (old, new):
        connection.sendall(b"lost")
        assert silent(connection)
    assert echo.got == b"hello"


def test_a_black_hole_hides_the_end_of_either_side(connect, proxy, echo):
    leaves, stays = connect(), connect()
    said(leaves)
    said(stays)

    proxy.black_hole()
    leaves.close()
    assert silent(stays)
    assert echo.ended == 0

    echo.close()
    assert silent(stays)


def test_after_a_black_hole_old_connections_end_and_new_ones_work(connect, proxy):
    lost = connect()
    said(lost)
    proxy.black_hole()
    lost.sendall(b"lost")

    proxy.heal()

    assert lost.recv(1) == b""
    assert said(connect()) == b"hello"


def test_a_half_open_connection_does_not_notice_the_end_of_its_server(connect, proxy, echo):
    stranded = connect()
    said(stranded)

    proxy.strand()

    eventually(lambda: echo.ended == 1)
    stranded.sendall(b"anyone?")
    assert silent(stranded)
    assert said(connect()) == b"hello"


@pytest.mark.parametrize(("direction", "arrived"), [("requests", b"hell"), ("answers", b"hello")])
def test_a_connection_is_reset_after_a_number_of_bytes(connect, proxy, echo, direction, arrived):
    connection = connect()
    proxy.reset_after(4, direction)

    connection.sendall(b"hello")

    assert until_a_reset(connection) in (b"", b"hell")  # a reset may overtake data in flight
    eventually(lambda: echo.got == arrived)
    assert said(connect()) == b"hello"


def test_a_missing_server_ends_the_connection(connect, echo):
    echo.close()

    assert connect().recv(1) == b""
