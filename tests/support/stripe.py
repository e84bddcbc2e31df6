"""A server on loopback that behaves as Stripe documents: PaymentIntents, refunds, keys, errors.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/api/idempotent_requests,
https://docs.stripe.com/error-low-level and https://docs.stripe.com/testing
"""

import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from urllib.parse import parse_qsl

SECRET = "sk_test_stub"
VISA = "pm_card_visa"
DECLINES = {  # payment method -> code, decline code, text
    "pm_card_visa_chargeDeclined": (
        "card_declined",
        "generic_decline",
        "Your card was declined.",
    ),
    "pm_card_visa_chargeDeclinedInsufficientFunds": (
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    "pm_card_chargeDeclinedExpiredCard": (
        "expired_card",
        "expired_card",
        "Your card has expired.",
    ),
    "pm_card_authenticationRequired": (
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
    ),
}
CANCELLABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
SMALLEST, LARGEST = 50, 99_999_999
COMMON = ["payment_method_types[]", "amount", "currency", "payment_method"]


class Error(Exception):
    """An error answer. ``saved`` if the endpoint had begun to execute."""

    def __init__(self, status, kind, code="", message="", *, param="", saved=True):
        super().__init__(code)
        self.status, self.saved = status, saved
        told = {"type": kind, "code": code, "message": message, "param": param}
        self.body = {"error": {name: text for name, text in told.items() if text}}


class Lost(Exception):
    """The connection breaks before the answer."""


def invalid(code, message="", *, param="", status=400, saved=True):
    return Error(status, "invalid_request_error", code, message, param=param, saved=saved)


class Stripe(ThreadingHTTPServer):
    """``paid`` and ``refunded`` have the money that moved: PaymentIntent ids, one per movement.

    ``faults`` are methods of this class to run, one for each request that matches its pattern.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.over = Event()
        self.lock = Lock()
        self.reset()

    def reset(self):
        self.intents = {}
        self.paid, self.refunded = [], []
        self.keys = {}  # idempotency key -> (path, fields, answer)
        self.faults = []  # (pattern of "METHOD path", fault)
        self.requests = []  # (method, path, fields, key, headers)
        self.refund_status = "succeeded"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def forget_keys(self):
        """Prune all idempotency keys, as Stripe may after 24 hours."""
        self.keys.clear()

    def fail_next(self, pattern, fault):
        """Apply ``fault`` to the next request that matches: it gets a function to execute it."""
        self.faults.append((pattern, fault))

    def made(self, pattern):
        return [r for r in self.requests if re.fullmatch(pattern, f"{r[0]} {r[1]}")]

    def answer(self, method, path, fields, headers):
        """Return a status and a body."""
        key = headers.get("Idempotency-Key")
        with self.lock:
            self.requests.append((method, path, fields, key, dict(headers)))
            fault = next((f for f in self.faults if re.fullmatch(f[0], f"{method} {path}")), None)
            if fault:
                self.faults.remove(fault)
        if headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, Error(401, "invalid_request_error", message="Invalid API Key").body

        def execute():
            with self.lock:
                return self._once(method, path, fields, key)

        return fault[1](self, execute, key) if fault else execute()

    def save(self, key, answer):
        """Replace the saved answer of a key."""
        path, fields, _ = self.keys[key]
        self.keys[key] = (path, fields, answer)

    def _once(self, method, path, fields, key):
        if key in self.keys:
            known_path, known_fields, answer = self.keys[key]
            if (known_path, known_fields) != (path, fields):
                text = "Keys for idempotent requests can only be used with the same parameters"
                return 400, Error(400, "idempotency_error", message=text).body
            return answer
        try:
            answer = 200, json.loads(json.dumps(self._execute(method, path, fields)))
            saved = True
        except Error as error:
            answer, saved = (error.status, error.body), error.saved
        if key is not None and saved:
            self.keys[key] = (path, fields, answer)
        return answer

    def _execute(self, method, path, fields):
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["payment_intents"]:
                return self._create(fields)
            case "POST", ["refunds"]:
                return self._refund(self._intent(fields["payment_intent"]))
            case "GET", ["payment_intents", intent]:
                return self._intent(intent)
            case "POST", ["payment_intents", intent, "confirm"]:
                return self._confirm(self._intent(intent), fields)
            case "POST", ["payment_intents", intent, "cancel"]:
                return self._cancel(self._intent(intent))
        raise invalid("", "Unrecognized request URL", status=404)

    def _intent(self, intent):
        if intent not in self.intents:
            raise invalid("resource_missing", "No such payment_intent", param="intent", status=404)
        return self.intents[intent]

    def _create(self, fields):
        method = fields["payment_method"]
        for name in fields:
            if name not in COMMON and not re.fullmatch(r"customer|metadata\[\w+\]", name):
                raise invalid("parameter_unknown", param=name, saved=False)
        if method not in DECLINES and method != VISA:
            text = f"No such PaymentMethod: '{method}'"
            raise invalid("resource_missing", text, param="payment_method", saved=False)
        if fields["currency"] != fields["currency"].lower():
            raise invalid("invalid_currency", param="currency", saved=False)
        if int(fields["amount"]) < SMALLEST:
            raise invalid("amount_too_small", param="amount", saved=False)
        if int(fields["amount"]) > LARGEST:
            raise invalid("amount_too_large", param="amount", saved=False)
        intent = {
            "id": f"pi_{len(self.intents) + 1}",
            "object": "payment_intent",
            "amount": int(fields["amount"]),
            "currency": fields["currency"],
            "customer": fields.get("customer"),
            "last_payment_error": None,
            "metadata": {n[9:-1]: v for n, v in fields.items() if n.startswith("metadata[")},
            "payment_method": method,
            "status": "requires_confirmation",
        }
        self.intents[intent["id"]] = intent
        return intent

    def _confirm(self, intent, fields):
        if intent["status"] != "requires_confirmation":
            raise invalid("payment_intent_unexpected_state", param="intent")
        assert fields == {"off_session": "true", "error_on_requires_action": "true"}
        if decline := DECLINES.get(intent["payment_method"]):
            code, reason, text = decline
            error = Error(402, "card_error", code, text)
            error.body["error"]["decline_code"] = reason
            intent |= {"status": "requires_payment_method", "payment_method": None}
            intent["last_payment_error"] = error.body["error"]
            raise error
        intent["status"] = "succeeded"
        self.paid.append(intent["id"])
        return intent

    def _cancel(self, intent):
        if intent["status"] not in CANCELLABLE:
            raise invalid("payment_intent_unexpected_state", param="intent")
        intent["status"] = "canceled"
        return intent

    def _refund(self, intent):
        if intent["id"] in self.refunded:
            raise invalid("charge_already_refunded", "The charge has already been refunded.")
        if intent["status"] != "succeeded":
            raise invalid("payment_intent_unexpected_state", param="payment_intent")
        self.refunded.append(intent["id"])
        return {"id": f"re_{len(self.refunded)}", "object": "refund", "status": self.refund_status}


# Faults. Stripe saves server errors with the key, but neither rate limits nor broken connections.


def lost_request(_stripe, _execute, _key):
    raise Lost


def lost_answer(_stripe, execute, _key):
    execute()
    raise Lost


def server_error(stripe, _execute, key):
    """The request has no effect."""
    answer = 500, Error(500, "api_error").body
    if key is not None:
        made = stripe.requests[-1]
        stripe.keys[key] = (made[1], made[2], answer)
    return answer


def server_error_afterwards(stripe, execute, key):
    """The request has its effect."""
    execute()
    answer = 500, Error(500, "api_error").body
    if key is not None:
        stripe.save(key, answer)
    return answer


def answering(status, kind="invalid_request_error", code=""):
    return lambda *_: (status, Error(status, kind, code).body)


def garbled(status=200):
    return lambda *_: (status, "<html>Blocked by the proxy</html>")


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        fields = dict(parse_qsl(body, keep_blank_values=True))
        try:
            status, told = self.server.answer(self.command, self.path, fields, self.headers)
        except Lost:
            self.close_connection = True
            return
        content = (told if isinstance(told, str) else json.dumps(told)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Request-Id", "req_1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        """Print nothing."""


@contextmanager
def serving_stripe():
    """Serve until the end of the block."""
    with Stripe() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
