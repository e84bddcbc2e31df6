"""A wire between a worker and what it talks to, that a test can cut, hold and spoil."""

import socket
from contextlib import suppress
from threading import Event, Lock, Thread

LOOPBACK = "127.0.0.1"


class Wire:
    """Passes TCP on to another port of this machine, until ``close``.

    ``cut`` refuses connections and ends those there are; ``join`` undoes it. ``hold`` keeps
    answers back, those with certain bytes or all, until ``release``. ``spoil`` replaces bytes.
    """

    def __init__(self, target):
        """``target`` is a port. Nothing passes before ``join``."""
        self.reached = 0  # connections that came
        self._target = target
        self._port = 0
        self._listener = None
        self._ends = []
        self._spoiled = (b"", b"")
        self._held = b""
        self._flowing = Event()
        self._flowing.set()
        self._lock = Lock()

    @property
    def url(self):
        return f"http://{LOOPBACK}:{self._port}"

    def join(self):
        self._listener = socket.create_server((LOOPBACK, self._port))
        self._port = self._listener.getsockname()[1]
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        with self._lock:
            ends, self._ends = [self._listener, *self._ends], []
        for end in ends:
            _end(end)

    def hold(self, held=b""):
        self._held = held
        self._flowing.clear()

    def release(self):
        self._flowing.set()

    def spoil(self, old, new):
        """Replace bytes in every answer; both of the same length."""
        assert len(old) == len(new)
        self._spoiled = (old, new)

    def close(self):
        self.release()
        self.cut()

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.reached += 1
                far = socket.create_connection((LOOPBACK, self._target))
                with self._lock:
                    self._ends += [near, far]
                Thread(target=_pass_on, args=(near, far, bytes), daemon=True).start()
                Thread(target=_pass_on, args=(far, near, self._answer), daemon=True).start()

    def _answer(self, data):
        if self._held in data:
            self._flowing.wait()
        return data.replace(*self._spoiled) if self._spoiled[0] else data


def _pass_on(source, sink, change):
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(change(data))
    for end in (source, sink):
        _end(end)


def _end(end):
    with suppress(OSError):  # not connected any more; a thread may still be reading from it
        end.shutdown(socket.SHUT_RDWR)
    end.close()
