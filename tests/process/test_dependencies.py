"""order-api and relay during an outage of DynamoDB: named, quick to answer, over by itself."""

import http.client
import json
import sys
import time
from uuid import uuid4

import pytest
from support.eventually import eventually
from support.order_api import ORDER

from local.ports import release_port, reserve_port

pytestmark = pytest.mark.process

PATIENCE = 60  # s; a machine may be busy
LONGEST = 5.0  # s that a client waits
METRIC = "dependency_failing"


@pytest.fixture
def outage(aws, provisioned, wire, start):
    """Start a service whose DynamoDB is behind ``wire``; return a function that does so."""
    wire.join()
    port = reserve_port()
    environment = aws.environment({}) | {
        "NAME_PREFIX": provisioned.name_prefix,
        "AWS_ENDPOINT_URL_DYNAMODB": wire.url,
        "METRICS_PORT": "0",
        "PORT": str(port),
        "PATH": "",
    }

    def run(service):
        process = start((sys.executable, "-m", "workers", "run", service), environment)
        eventually(lambda: process.ready, PATIENCE)
        return process, port

    yield run
    release_port(port)


def post(port):
    """Place an order; return the status, Retry-After and the seconds it took."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    try:
        connection.request("POST", "/orders", json.dumps(ORDER), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After"), time.monotonic() - started
    finally:
        connection.close()


@pytest.mark.parametrize("fault", ["hold", "cut"])
def test_order_api_refuses_within_5_s_and_recovers_by_itself(outage, wire, fault):
    api, port = outage("order-api")
    assert post(port)[0] == 202
    getattr(wire, fault)()

    for _ in range(4):
        status, retry_after, seconds = post(port)
        assert (status, retry_after) == (503, "5")
        assert seconds < LONGEST

    said = '{"status":"degraded","problems":["dynamodb does not answer"]}'
    eventually(lambda: api.get("/readyz") == (200, said), PATIENCE)
    assert api.metric(METRIC) == 1
    assert api.lines("request.served", status=503)[0]["dependency"] == "dynamodb"
    assert api.lines("request.served", status=503)[0]["reason"]
    assert {line["level"] for line in api.lines("request.served", status=503)} == {"warning"}

    wire.release() if fault == "hold" else wire.join()
    eventually(lambda: post(port)[0] == 202, PATIENCE)
    assert api.metric(METRIC) == 0
    assert api.get("/readyz")[1] == '{"status":"ok","problems":[]}'


def test_the_relay_names_a_table_that_does_not_answer(outage, wire):
    relay, _ = outage("relay")
    wire.cut()
    eventually(lambda: not relay.ready, PATIENCE)
    assert relay.get("/readyz")[1] == (
        '{"status":"failing","problems":["dynamodb does not answer"]}'
    )
    assert relay.metric(METRIC) == 1
    wire.join()
    eventually(lambda: relay.ready, PATIENCE)
