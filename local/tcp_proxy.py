"""A TCP proxy on loopback that injects faults below HTTP: cuts, delays, corruption, loss.

It uses two threads per connection, which sleep while the connection is idle.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Final, Literal

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 65_536
# Linger on, for 0 s: closing the socket resets the connection. man 7 socket, SO_LINGER.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Direction = Literal["answers", "requests"]


class TcpProxy:
    """Forwards TCP to another port of this machine until ``close``. Thread-safe.

    =================  ============================================================  ===========
    call               what happens                                                  undone by
    =================  ============================================================  ===========
    ``cut``            connections close, new ones are refused                       ``join``
    ``hold``           answers wait: all, or those with certain bytes                ``release``
    ``spoil``          bytes of every answer are replaced                            ``spoil``
    ``black_hole``     neither side receives anything, not even a close              ``heal``
    ``strand``         half-open: the server's side of each connection is closed
                       and the client is not told; new connections work              -
    ``reset_after``    one connection is reset after a number of bytes               ``heal``
    =================  ============================================================  ===========
    """

    def __init__(self, target: int) -> None:
        """Prepare a proxy for the port ``target``. It accepts no connections before ``join``."""
        self.reached = 0  # connections accepted
        self.resets = 0
        self._target = target
        self._port = 0
        self._listener: socket.socket | None = None
        self._connections: list[_Connection] = []
        self._spoiled = (b"", b"")
        self._held = b""
        self._flowing = Event()
        self._flowing.set()
        self._hole = False
        self._left: dict[Direction, int] = {}  # bytes left until a reset
        self._lock = Lock()

    @property
    def url(self) -> str:
        """The address, which stays the same after a ``cut`` and another ``join``."""
        return f"http://{LOOPBACK}:{self._port}"

    def join(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server((LOOPBACK, self._port))
        self._port = self._listener.getsockname()[1]
        _in_background(self._accept, self._listener)

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _end(listener)
        self._end_all()

    def close(self) -> None:
        """Close all connections and stop."""
        self.release()
        self.cut()

    def hold(self, held: bytes = b"") -> None:
        """Delay each answer that contains these bytes, and all that follows on its connection."""
        self._held = held
        self._flowing.clear()

    def release(self) -> None:
        """Forward what was held."""
        self._flowing.set()

    def spoil(self, old: bytes, new: bytes) -> None:
        """Replace bytes in every answer. Raises ``ValueError`` if the lengths differ."""
        if len(old) != len(new):
            raise ValueError(f"{old!r} and {new!r} differ in length")
        self._spoiled = (old, new)

    def black_hole(self) -> None:
        """Silently drop everything sent on current and new connections."""
        with self._lock:
            self._hole = True
            for each in self._connections:
                each.dead = True

    def strand(self) -> None:
        """Close the server's side of every current connection; the client's side stays open."""
        with self._lock:
            for each in self._connections:
                each.dead = True
                if each.far is not None:
                    _end(each.far)

    def reset_after(self, count: int, direction: Direction = "answers") -> None:
        """Forward ``count`` more bytes, then reset the connection that carries the next."""
        with self._lock:
            self._left[direction] = count

    def heal(self) -> None:
        """Forward everything again. Connections that have lost data are closed."""
        with self._lock:
            self._hole = False
            self._left.clear()
            dead = [each for each in self._connections if each.dead]
        for each in dead:
            each.end()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.reached += 1
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        with self._lock:
            hole = self._hole
        try:
            far = None if hole else socket.create_connection((LOOPBACK, self._target))
        except OSError:
            _end(near)
            return
        for each in (near, far):
            if each is not None:  # without it, Nagle's algorithm adds 40 ms to each request
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(near, far)
        with self._lock:
            connection.dead = self._hole
            self._connections = [each for each in self._connections if not each.ended]
            self._connections.append(connection)
            cut = self._listener is None
        if cut:
            connection.end()
            return
        _in_background(self._forward, connection, near, far, "requests")
        if far is not None:
            _in_background(self._forward, connection, far, near, "answers")

    def _forward(
        self,
        connection: "_Connection",
        source: socket.socket,
        sink: socket.socket | None,
        direction: Direction,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if direction == "answers":
                    data = self._answer(data)
                if connection.dead or sink is None:
                    continue
                passing = self._until_reset(direction, data)
                sink.sendall(data[:passing])
                if passing < len(data):
                    self.resets += 1
                    connection.reset()
        if connection.dead:
            _end(source)
        elif not connection.ended:
            connection.end()

    def _answer(self, data: bytes) -> bytes:
        if self._held in data:
            self._flowing.wait()
        return data.replace(*self._spoiled) if self._spoiled[0] else data

    def _until_reset(self, direction: Direction, data: bytes) -> int:
        """Return the number of bytes to forward: all, or those before a reset."""
        with self._lock:
            if (left := self._left.pop(direction, None)) is None:
                return len(data)
            if left >= len(data):
                self._left[direction] = left - len(data)
            return min(left, len(data))

    def _end_all(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for each in connections:
            each.end()


class _Connection:
    """The client's socket and the server's; the latter is None for one made in a black hole."""

    def __init__(self, near: socket.socket, far: socket.socket | None) -> None:
        self.near = near
        self.far = far
        self.dead = False  # nothing that happens on one side reaches the other
        self.ended = False

    def end(self) -> None:
        self.ended = True
        for each in (self.near, self.far):
            if each is not None:
                _end(each)

    def reset(self) -> None:
        self.ended = True
        for each in (self.near, self.far):
            if each is not None:
                _reset(each)


def _in_background(run: Callable[..., None], *arguments: object) -> None:
    Thread(target=run, args=arguments, daemon=True).start()


def _end(end: socket.socket) -> None:
    with suppress(OSError):  # already disconnected; a thread may still be reading from it
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.shutdown(socket.SHUT_RD)  # a thread may be reading from it; this sends nothing
    end.close()
