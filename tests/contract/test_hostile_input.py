"""Hostile input is refused everywhere: by order-api, by consumers, and by what reads the rest."""

import gzip
import json
import socket
import tracemalloc
from contextlib import contextmanager

import pytest
from support import hostile
from support.builders import a_cancellation, an_envelope, an_order
from support.http_server import HttpServer
from support.order_api import ORDER, Api

from workers.api.gate import MAX_REQUEST_BYTES
from workers.envelope import MAX_BODY_BYTES, Encoded, EnvelopeError
from workers.events import decode, peek
from workers.glimpse import Glimpse

JSON = {"Content-Type": "application/json"}
FULL = ORDER | {"customerId": "cus-1", "paymentMethod": "pm-1"}
EVENTS = [
    json.loads(an_envelope(event, correlation_id="story-1").encode())
    for event in (an_order(), a_cancellation())
]
PLANTED = dict(hostile.planted(FULL))
PLANTED_REASONS = dict(hostile.planted({"reason": "changed my mind"}))
PLANTED_EVENTS = {
    f"{event['eventType']} {name}": body
    for event in EVENTS
    for name, body in hostile.planted(event)
}
REFUSED = (400, 413, 422)
MEMORY = 40  # bytes for each byte of a body, at most


@contextmanager
def bounded_memory(size):
    """Fail if the block needs more memory at once than a multiple of a body's size."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY * size + 4 * 1024 * 1024


@pytest.fixture(scope="module")
def api():
    return Api()


@pytest.fixture
def server(api):
    with HttpServer(api.app) as server:
        yield server.address


def refuses(api, body, path="/orders"):
    """Assert that order-api refuses a body with a problem that does not quote it."""
    answer = api.post(path, content=body, headers=JSON)
    assert answer.status_code in REFUSED, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert len(answer.content) < 8 * 1024
    assert hostile.SECRET not in answer.text


def is_refused(body):
    """Assert that a consumer refuses a body with a reason that does not quote it."""
    with pytest.raises(EnvelopeError) as refusal:
        decode(body)
    assert str(refusal.value)
    assert len(str(refusal.value)) < 2_000
    assert hostile.SECRET not in str(refusal.value)


def glimpsed(body):
    """Assert that what reads the rest of a refused body does not raise and quotes no text."""
    found = peek(body)
    assert isinstance(found, Glimpse)
    assert hostile.SECRET not in str(found.fields())


def test_the_corpus_is_made_for_the_limits():
    assert (hostile.API_BYTES, hostile.EVENT_BYTES) == (MAX_REQUEST_BYTES, MAX_BODY_BYTES)


@pytest.mark.parametrize("size", [MAX_REQUEST_BYTES, MAX_REQUEST_BYTES + 100])
@pytest.mark.parametrize("name", hostile.documents(100))
def test_order_api_refuses_hostile_documents(api, name, size):
    body = hostile.documents(size)[name]

    with bounded_memory(size):
        refuses(api, body)

    assert not api.store.documents


@pytest.mark.parametrize("body", PLANTED.values(), ids=PLANTED)
def test_order_api_refuses_hostile_values_in_any_field(api, body):
    refuses(api, body)
    assert not api.store.documents


@pytest.mark.parametrize("body", PLANTED_REASONS.values(), ids=PLANTED_REASONS)
@pytest.mark.parametrize("change", ["cancel", "refund"])
def test_order_api_refuses_hostile_values_in_a_reason(change, body):
    api = Api()
    order = api.place()["orderId"]
    before = api.store.documents[f"order#{order}"]

    refuses(api, body, f"/orders/{order}/{change}")

    assert api.store.documents[f"order#{order}"] == before


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, 4 * MAX_BODY_BYTES])
@pytest.mark.parametrize("name", hostile.documents(100))
def test_a_consumer_refuses_hostile_documents(name, size):
    body = hostile.documents(size)[name].decode("utf-8", "surrogateescape")

    with bounded_memory(size):
        is_refused(body)
        glimpsed(body)


@pytest.mark.parametrize("planted", PLANTED_EVENTS.values(), ids=PLANTED_EVENTS)
def test_a_consumer_refuses_hostile_values_in_any_field(planted):
    body = planted.decode()

    is_refused(body)
    glimpsed(body)
    try:
        assert Encoded.read(body).body == body
    except EnvelopeError as refusal:
        assert hostile.SECRET not in str(refusal)  # noqa: PT017 - it may be accepted


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_compressed_body_is_refused_and_never_unpacked(api, coding):
    bomb = gzip.compress(b" " * 10_000_000)
    for body in (bomb, json.dumps(ORDER)):
        with bounded_memory(MAX_REQUEST_BYTES):
            answer = api.post("/orders", content=body, headers=JSON | {"Content-Encoding": coding})
        assert answer.status_code == 415
        assert answer.headers["Accept-Encoding"] == "identity"
    assert not api.store.documents


def test_a_body_in_no_coding_is_accepted():
    headers = {"Content-Encoding": "identity"}

    assert Api().post("/orders", ORDER, headers=headers).status_code == 202


@pytest.mark.integration
@pytest.mark.parametrize("request_", hostile.REQUESTS.values(), ids=hostile.REQUESTS)
def test_an_ambiguous_request_gets_one_answer_and_its_connection_is_closed(server, request_):
    with socket.create_connection(server, timeout=20) as client:
        answers = b""
        try:
            client.sendall(request_)
            while part := client.recv(65_536):
                answers += part
        except ConnectionError:  # it closes without reading all
            pass

    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 501"))
