"""Requests that are too many, too large or too slow are refused before any work is done."""

import asyncio

import pytest

from workers.api.gate import MAX_REQUEST_BYTES, Gate


class Exchange:
    """One request, sent to an ASGI application message by message."""

    def __init__(self, *messages, headers=(), path="/orders"):
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers)}
        self.sent = []
        self._messages = list(messages)

    async def receive(self):
        if not self._messages:
            await asyncio.Event().wait()  # the client sends nothing more
        return self._messages.pop(0)

    async def send(self, message):
        self.sent.append(message)

    async def through(self, app):
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])


def chunk(body, *, more):
    return {"type": "http.request", "body": body, "more_body": more}


class Counting:
    """Records the bodies that reach it; responds once ``go`` is set."""

    def __init__(self):
        self.bodies = []
        self.two_are_in = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, _scope, receive, send):
        message = await receive()
        assert not message["more_body"]
        self.bodies.append(message["body"])
        if len(self.bodies) == 2:
            self.two_are_in.set()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def length(number):
    return [(b"content-length", str(number).encode())]


def test_a_body_declared_too_large_is_not_read():
    app = Counting()

    exchange = asyncio.run(Exchange(headers=length(MAX_REQUEST_BYTES + 1)).through(Gate(app)))

    assert exchange.status == 413
    assert exchange.headers[b"content-type"] == b"application/problem+json"
    assert exchange.headers[b"connection"] == b"close"
    assert app.bodies == []


@pytest.mark.parametrize("headers", [[], length(10)])
def test_a_body_that_turns_out_too_large_is_refused(headers):
    app = Counting()
    half = b"x" * (MAX_REQUEST_BYTES // 2 + 1)
    chunks = [chunk(half, more=True), chunk(half, more=True), chunk(half, more=True)]

    exchange = asyncio.run(Exchange(*chunks, headers=headers).through(Gate(app)))

    assert exchange.status == 413
    assert app.bodies == []


def test_the_largest_allowed_body_arrives_whole():
    app = Counting()
    parts = [chunk(b"a" * (MAX_REQUEST_BYTES - 1), more=True), chunk(b"z", more=False)]

    exchange = asyncio.run(Exchange(*parts, headers=length(MAX_REQUEST_BYTES)).through(Gate(app)))

    assert exchange.status == 202
    assert app.bodies == [b"a" * (MAX_REQUEST_BYTES - 1) + b"z"]


def test_a_body_that_never_ends_times_out():
    app = Counting()
    gate = Gate(app, body_timeout=0.01)

    exchange = asyncio.run(Exchange(chunk(b"{", more=True)).through(gate))

    assert exchange.status == 408
    assert app.bodies == []


def test_a_client_that_disconnects_gets_no_response():
    app = Counting()
    gone = {"type": "http.disconnect"}

    exchange = asyncio.run(Exchange(chunk(b"{", more=True), gone).through(Gate(app)))

    assert exchange.sent == []
    assert app.bodies == []


def test_a_request_over_the_limit_gets_retry_after_and_the_next_is_served():
    async def scenario():
        app = Counting()
        app.go.clear()
        gate = Gate(app, max_in_flight=2)
        running = [
            asyncio.create_task(Exchange(chunk(b"", more=False)).through(gate)) for _ in range(2)
        ]
        await app.two_are_in.wait()
        refused = await Exchange(chunk(b"", more=False)).through(gate)
        health = asyncio.create_task(
            Exchange(chunk(b"", more=False), path="/healthz").through(gate)
        )
        app.go.set()
        served = [*await asyncio.gather(*running), await health]
        return refused, served, await Exchange(chunk(b"", more=False)).through(gate)

    refused, served, after = asyncio.run(scenario())

    assert refused.status == 503
    assert refused.headers[b"retry-after"] == b"1"
    assert [exchange.status for exchange in served] == [202, 202, 202]
    assert after.status == 202


def test_bodies_that_are_slow_take_no_places():
    async def scenario():
        gate = Gate(Counting(), max_in_flight=1)
        slow = [
            asyncio.create_task(Exchange(chunk(b"{", more=True)).through(gate)) for _ in range(3)
        ]
        await asyncio.sleep(0)  # all three wait for the rest of their body
        served = await Exchange(chunk(b"", more=False)).through(gate)
        for task in slow:
            task.cancel()
        return served

    assert asyncio.run(scenario()).status == 202


def test_the_gate_is_part_of_the_application(api):
    answer = api.post("/orders", content=b"x" * (MAX_REQUEST_BYTES + 1))

    assert answer.status_code == 413
    assert answer.json()["instance"] == "/orders"
