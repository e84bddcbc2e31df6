"""An HTTP server on loopback whose responses the test sets."""

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread

from support.sigv4 import is_signed


class Stub(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``body``; never, if ``silent``.

    Like AWS, it refuses a POST without a valid signature of one of ``secrets``.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, tls=None):
        """``tls`` is an ``SSLContext`` to speak TLS with."""
        super().__init__(("127.0.0.1", 0), Answer)
        self.tls = tls
        self.connections = self.ended = 0
        self.over = Event()
        self.lock = Lock()
        self.reset()

    def reset(self):
        """Forget all requests and restore the defaults."""
        self.status = 200
        self.body = b"{}"
        self.bodies = {}  # by path, where it is another one
        self.told = {"x-amzn-RequestId": "request-1"}  # headers of every answer
        self.silent = False
        self.cut = False
        self.stalled = False  # half of each body is sent, and then nothing
        self.hangs_up = False  # without a word, after each response
        self.gate = lambda: None  # called before each answer
        self.resets = set()  # requests to break off without an answer, by number from 1
        self.secrets = {"test": "test"}  # access key -> secret key
        self.requests = []  # (method, path, body)
        self.headers = {}  # of the last request

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_port}"

    def get_request(self):
        connection, address = super().get_request()
        self.connections += 1
        if self.tls:  # the handshake comes with the first read, in the connection's own thread
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.ended += 1

    def handle_error(self, *_):
        """Print nothing: tests break connections deliberately."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms for an acknowledgement

    def do_POST(self):
        stub = self.server
        length = int(self.headers.get("Content-Length", 0))
        request = (self.command, self.path, self.rfile.read(length))
        with stub.lock:
            stub.requests.append(request)
            number = len(stub.requests)
        stub.headers = self.headers
        stub.gate()
        if stub.silent:
            stub.over.wait()
        if stub.silent or number in stub.resets:
            self.close_connection = True
            return
        status, body = stub.status, stub.bodies.get(self.path, stub.body)
        method, target, sent = request
        if method == "POST" and not is_signed(method, target, self.headers, sent, stub.secrets):
            status, body = 403, b'{"__type": "InvalidSignatureException"}'
        self.send_response(status)
        for name, value in stub.told.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + stub.cut))
        self.end_headers()
        if stub.stalled:
            self.wfile.write(body[: len(body) // 2])
            stub.over.wait()
            body = b""
        self.wfile.write(body)
        self.close_connection = stub.cut or stub.hangs_up

    def do_GET(self):
        self.do_POST()

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *_):
        """Print nothing."""


@contextmanager
def serving(tls=None):
    """Serve until the end of the block."""
    with Stub(tls) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
