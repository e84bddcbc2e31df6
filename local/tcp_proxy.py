"""A TCP proxy on loopback that can be cut, held, spoiled, and made to lose what it carries.

For what goes wrong below HTTP. It needs two threads a connection, which sleep while it is idle.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Final, Literal

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 65_536
# On, and no time to linger: closing then resets the connection. man 7 socket, SO_LINGER.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Direction = Literal["answers", "requests"]


class TcpProxy:
    """Passes TCP on to another port of this machine, until ``close``. Any thread may call.

    =================  ============================================================  ===========
    call               what happens                                                  undone by
    =================  ============================================================  ===========
    ``cut``            connections end, new ones are refused                         ``join``
    ``hold``           answers wait, those with certain bytes or all                 ``release``
    ``spoil``          bytes of every answer are replaced                            ``spoil``
    ``black_hole``     nothing arrives any more, on either side, nor does an end     ``heal``
    ``strand``         half-open: the server's side of each connection is gone and
                       the client is not told; new connections are sound             -
    ``reset_after``    one connection is reset after so many bytes                   ``heal``
    =================  ============================================================  ===========
    """

    def __init__(self, target: int) -> None:
        """``target`` is a port. Nothing passes before ``join``."""
        self.reached = 0  # connections that came
        self.resets = 0
        self._target = target
        self._port = 0
        self._listener: socket.socket | None = None
        self._lines: list[_Line] = []
        self._spoiled = (b"", b"")
        self._held = b""
        self._flowing = Event()
        self._flowing.set()
        self._hole = False
        self._left: dict[Direction, int] = {}  # bytes until a reset
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Its address; the same after a ``cut`` and another ``join``."""
        return f"http://{LOOPBACK}:{self._port}"

    def join(self) -> None:
        """Take connections."""
        self._listener = socket.create_server((LOOPBACK, self._port))
        self._port = self._listener.getsockname()[1]
        _in_background(self._accept, self._listener)

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _end(listener)
        self._end_all()

    def close(self) -> None:
        """End all connections for good."""
        self.release()
        self.cut()

    def hold(self, held: bytes = b"") -> None:
        """Keep back each answer with these bytes in it, and what follows on its connection."""
        self._held = held
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was held."""
        self._flowing.set()

    def spoil(self, old: bytes, new: bytes) -> None:
        """Replace bytes in every answer. Raises ``ValueError`` unless both are as long."""
        if len(old) != len(new):
            raise ValueError(f"{old!r} and {new!r} differ in length")
        self._spoiled = (old, new)

    def black_hole(self) -> None:
        """Swallow what is sent on all connections, and on new ones, without a word."""
        with self._lock:
            self._hole = True
            for line in self._lines:
                line.dead = True

    def strand(self) -> None:
        """End the server's side of each connection there is; the client's stays open."""
        with self._lock:
            for line in self._lines:
                line.dead = True
                if line.far is not None:
                    _end(line.far)

    def reset_after(self, count: int, direction: Direction = "answers") -> None:
        """Pass on ``count`` more bytes, then reset the connection that carries the next."""
        with self._lock:
            self._left[direction] = count

    def heal(self) -> None:
        """Pass everything on again. Connections that lost something end."""
        with self._lock:
            self._hole = False
            self._left.clear()
            dead = [line for line in self._lines if line.dead]
        for line in dead:
            line.end()

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
            if each is not None:  # a proxy that collects small writes adds 40 ms to each request
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(near, far)
        with self._lock:
            line.dead = self._hole
            self._lines = [each for each in self._lines if not each.ended]
            self._lines.append(line)
            cut = self._listener is None
        if cut:
            line.end()
            return
        _in_background(self._pass_on, line, near, far, "requests")
        if far is not None:
            _in_background(self._pass_on, line, far, near, "answers")

    def _pass_on(
        self,
        line: "_Line",
        source: socket.socket,
        sink: socket.socket | None,
        direction: Direction,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if direction == "answers":
                    data = self._answer(data)
                if line.dead or sink is None:
                    continue
                passing = self._until_a_reset(direction, data)
                sink.sendall(data[:passing])
                if passing < len(data):
                    self.resets += 1
                    line.reset()
        if line.dead:
            _end(source)
        elif not line.ended:
            line.end()

    def _answer(self, data: bytes) -> bytes:
        if self._held in data:
            self._flowing.wait()
        return data.replace(*self._spoiled) if self._spoiled[0] else data

    def _until_a_reset(self, direction: Direction, data: bytes) -> int:
        """Count the bytes that may pass: all of them, or those before the reset that is due."""
        with self._lock:
            if (left := self._left.pop(direction, None)) is None:
                return len(data)
            if left >= len(data):
                self._left[direction] = left - len(data)
            return min(left, len(data))

    def _end_all(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.end()


class _Line:
    """A connection: the client's end and, unless it came into a black hole, the server's."""

    def __init__(self, near: socket.socket, far: socket.socket | None) -> None:
        self.near = near
        self.far = far
        self.dead = False  # whatever happens at one end, the other does not hear of it
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
    with suppress(OSError):  # not connected any more; a thread may still be reading from it
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.shutdown(socket.SHUT_RD)  # a thread may be reading from it; this sends nothing
    end.close()
