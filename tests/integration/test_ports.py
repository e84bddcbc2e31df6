"""A reserved port stays reserved while servers on it start and stop."""

import errno
import socket

import pytest

from local.ports import release_port, reserve_port

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="Linux shares bound ports")
LOOPBACK = "127.0.0.1"


@pytest.fixture
def port():
    port = reserve_port()
    yield port
    release_port(port)


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0"])  # noqa: S104 - as services do
def test_a_server_may_listen_on_a_reserved_port_again_and_again(port, host):
    for _ in range(2):
        with (
            socket.create_server((host, port)) as server,
            socket.create_connection((LOOPBACK, port)),
        ):
            server.accept()[0].close()


def test_two_servers_may_not_share_a_reserved_port(port):
    with (
        socket.create_server((LOOPBACK, port)),
        pytest.raises(OSError, match="in use") as refusal,
    ):
        socket.create_server((LOOPBACK, port))
    assert refusal.value.errno == errno.EADDRINUSE


def test_no_other_process_gets_a_port_until_it_is_released(port):
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind((LOOPBACK, port))
    release_port(port)
    with socket.socket() as other:
        other.bind((LOOPBACK, port))
