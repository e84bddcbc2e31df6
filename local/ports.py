"""Reserves ports for processes on this machine.

Another process could take a port that was merely found free before the intended process starts or
restarts. So the port stays bound here, without listening. Linux lets a listener with SO_REUSEADDR
share it, and does not assign it to a process that asks for any free port.
"""

import socket
import sys
from typing import Final

_LOOPBACK: Final = "127.0.0.1"
# On other systems the bound socket would receive, and refuse, connections for the listener.
_CAN_SHARE: Final = sys.platform == "linux"
_held: Final[dict[int, socket.socket]] = {}


def reserve_port() -> int:
    """Reserve a free port on the loopback interface until ``release_port``."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((_LOOPBACK, 0))
    port: int = holder.getsockname()[1]
    if _CAN_SHARE:
        _held[port] = holder
    else:
        holder.close()
    return port


def require_free(port: int) -> None:
    """Raise ``OSError`` naming the port if something listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            raise OSError(error.errno, f"port {port}: {error.strerror}") from error


def release_port(port: int) -> None:
    """Release a port. Does nothing if it is not reserved."""
    if holder := _held.pop(port, None):
        holder.close()
