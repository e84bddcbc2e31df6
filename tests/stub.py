"""An HTTP server on loopback that answers, or does not, as told."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Stub(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``body``; with ``silent`` it never answers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = 200
        self.body = b"{}"
        self.silent = False
        self.cut = False
        self.requests = []  # (method, path, body)
        self.headers = {}  # of the last request
        self.over = Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        request = (self.command, self.path, self.rfile.read(length))
        self.server.requests.append(request)
        self.server.headers = self.headers
        if self.server.silent:
            self.server.over.wait()
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body) + self.server.cut))
        self.end_headers()
        self.wfile.write(self.server.body)
        self.close_connection = self.server.cut

    def do_GET(self):
        self.do_POST()

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *_):
        """Keep quiet."""


@contextmanager
def serving():
    """Serve until the end of the block."""
    with Stub() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
