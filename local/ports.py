"""Ports for the processes of this machine, each one's own from the moment it is named.

A port that was merely found free may be somebody else's before the process that is meant to have
it has started, or started again. So it stays bound here, without listening: Linux lets a
listener with SO_REUSEADDR have it beside us, and gives it to nobody who asks for any free port.
"""

import socket
import sys
from typing import Final

_LOOPBACK: Final = "127.0.0.1"
# Elsewhere a bound socket would get, and refuse, what is meant for the listener beside it.
_CAN_SHARE: Final = sys.platform == "linux"
_held: Final[dict[int, socket.socket]] = {}


def reserve_port() -> int:
    """Take a free port of the loopback interface; it is kept until ``release_port``."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((_LOOPBACK, 0))
    port: int = holder.getsockname()[1]
    if _CAN_SHARE:
        _held[port] = holder
    else:
        holder.close()
    return port


def release_port(port: int) -> None:
    """Give a port up; nothing happens if it is not reserved."""
    if holder := _held.pop(port, None):
        holder.close()
