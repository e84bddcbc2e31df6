"""The HTTP server of order-api, with any application, in a thread."""

from threading import Thread

from support.fakes import FakeClock
from workers.api.server import listen, serve
from workers.runtime.worker import Deadline, Stopping

PATIENCE = 20.0  # s


class HttpServer:
    """A server on loopback for the duration of a ``with`` block."""

    def __init__(self, app):
        self._deadline, self._stopping = Deadline(60, now=FakeClock()), Stopping()
        self._listener = listen("127.0.0.1", 0)
        self.address = self._listener.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        self._thread = Thread(
            target=serve, args=(app, self._listener), kwargs={"stopping": self._stopping}
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._deadline.start()
        self._deadline.start()  # the second signal: no drain
        self._stopping.by(self._deadline)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
