"""An HTTPS proxy on loopback that supports CONNECT."""

import base64
import socket
from contextlib import contextmanager, suppress
from threading import Thread

LOOPBACK = "127.0.0.1"


class Proxy:
    """Connects to the port ``target`` for any host; requires ``login`` if given."""

    def __init__(self, target, login):
        self.asked = []  # host:port
        self.refusal = b""  # a status line to answer with instead
        self._target = target
        self._login = login and base64.b64encode(login.encode())
        self._listener = socket.create_server((LOOPBACK, 0))
        self.address = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                Thread(target=self._serve, args=[near], daemon=True).start()

    def _serve(self, near):
        with near, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(65_536)
            self.asked.append(head.split()[1].decode())
            if self.refusal or (self._login and b"Basic " + self._login not in head):
                status = self.refusal or b"407 Proxy Authentication Required"
                near.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
                return
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection((LOOPBACK, self._target)) as far:
                back = Thread(target=_pass_on, args=(far, near), daemon=True)
                back.start()
                _pass_on(near, far)
                back.join()


def _pass_on(source, sink):
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(target, *, login=None):
    """Forward connections to ``target`` until the end of the block."""
    proxy = Proxy(target, login)
    try:
        yield proxy
    finally:
        proxy.close()
