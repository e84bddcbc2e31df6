"""Customers repeat requests until they get a response, and record every outcome."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from local.chaos import customers
from local.chaos.customers import Customers
from local.chaos.history import CANCEL, PLACE, REFUND, History, Op, read, verdicts
from workers.samples import SampleOrder

ACCEPTED = 202, {"orderId": "order-1"}


class Shop(ThreadingHTTPServer):
    """An order-api that returns the given responses in turn, and then repeats the last one."""

    daemon_threads = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Counter)
        self.answers = list(answers)
        self.asked = []  # (path, idempotency key)


class Counter(BaseHTTPRequestHandler):
    def do_POST(self):
        shop = self.server
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        shop.asked.append((self.path, self.headers["Idempotency-Key"]))
        status, body = shop.answers.pop(0) if len(shop.answers) > 1 else shop.answers[0]
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        text = b'{"state": "confirmed"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@contextmanager
def serving(answers):
    shop = Shop(answers)
    thread = Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield shop
    finally:
        shop.shutdown()
        thread.join()
        shop.server_close()


@pytest.fixture
def patient(monkeypatch):
    """Switch off impatient and anxious customers."""
    monkeypatch.setattr(customers, "IMPATIENT", 0.0)
    monkeypatch.setattr(customers, "ANXIOUS", 0.0)


def order(tmp_path, *answers, kind="success"):
    """Let a customer place an order; return the requests and the recorded operations."""
    history = History(tmp_path / "history.jsonl")
    with serving(answers) as shop:
        planned = SampleOrder(1, kind, (("MOUSE-002", 1),))
        url = f"http://127.0.0.1:{shop.server_port}"
        assert list(Customers(url, history, seed=1).place([planned])) == [planned]
    history.close()
    assert list(read(tmp_path / "history.jsonl")) == history.ops
    return shop.asked, history.ops


@pytest.mark.usefixtures("patient")
def test_a_response_is_an_acknowledgement(tmp_path):
    asked, ops = order(tmp_path, ACCEPTED)
    assert [op.type for op in ops] == ["invoked", "acknowledged"]
    assert ops[-1].order_id == "order-1"
    assert asked == [("/orders", "demo-1")]


@pytest.mark.usefixtures("patient")
def test_a_request_with_an_unknown_outcome_is_repeated_under_its_key(tmp_path):
    asked, ops = order(tmp_path, (503, {}), (500, {}), ACCEPTED)
    assert [op.type for op in ops[1::2]] == ["unknown", "unknown", "acknowledged"]
    assert asked == [("/orders", "demo-1")] * 3


@pytest.mark.usefixtures("patient")
def test_a_refusal_is_not_repeated(tmp_path):
    _, ops = order(tmp_path, (422, {}))
    assert [op.type for op in ops] == ["invoked", "failed"]


def test_an_impatient_customer_does_not_repeat_a_request(tmp_path, monkeypatch):
    monkeypatch.setattr(customers, "IMPATIENT", 1.0)
    _, ops = order(tmp_path, (500, {}))
    assert [op.type for op in ops] == ["invoked", "unknown"]


@pytest.mark.usefixtures("patient")
def test_an_anxious_customer_repeats_an_acknowledged_request(tmp_path, monkeypatch):
    monkeypatch.setattr(customers, "ANXIOUS", 1.0)
    asked, _ = order(tmp_path, ACCEPTED)
    assert asked == [("/orders", "demo-1")] * 2


@pytest.mark.parametrize(("kind", "action"), [("cancelled", CANCEL), ("refunded", REFUND)])
@pytest.mark.usefixtures("patient")
def test_a_cancellation_or_refund_has_its_own_key(tmp_path, kind, action):
    asked, ops = order(tmp_path, ACCEPTED, kind=kind)
    assert asked[-1] == (f"/orders/order-1/{action}", f"demo-1-{action}")
    assert verdicts(ops, action)[f"demo-1-{action}"].type == "acknowledged"


def test_an_acknowledgement_outweighs_an_unknown_outcome_and_that_a_refusal():
    def after(*types):
        return verdicts([Op(each, PLACE, "key", 1) for each in types])["key"].type

    assert after("invoked", "unknown", "acknowledged", "unknown") == "acknowledged"
    assert after("invoked", "unknown", "invoked", "failed") == "unknown"
    assert after("invoked", "failed") == "failed"
    assert after("invoked") == "invoked"
