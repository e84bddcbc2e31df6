"""One order's trace over every service: real processes, the embedded AWS, an OTLP receiver."""

import json
import urllib.request

import pytest
from support.eventually import eventually
from support.otlp import Receiver

from local.ports import release_port, reserve_port
from local.system import System
from workers.aws import names
from workers.aws.redrive import redrive
from workers.aws.sqs import depth
from workers.ops.stock import set_stock

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

PATIENCE = 90  # s; a busy machine
CANARY = "canary.bird@example.com"
CONSUMERS = {"payment", "inventory", "orders", "notification", "analytics"}
OUTCOMES = {"payment.completed", "inventory.reserved", "order.confirmed"}


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def system(tmp_path_factory, receiver):
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "ENVIRONMENT": "test",
    }
    directory = tmp_path_factory.mktemp("traces") / "logs"
    with System(directory, environment=traced) as system:
        set_stock(system.clients.dynamodb(), "inventory", "TEA", available=100, reorder_threshold=1)
        yield system


def place(url, **changes):
    """Place an order and return its ids."""
    order = {
        "customerEmail": CANARY,
        "currency": "EUR",
        "items": [{"sku": "TEA", "quantity": 1, "price": 5}],
    }
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/orders",
        json.dumps(order | changes).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def processed(receiver, placed, event_type=None):
    """Return the process spans of an order's story."""
    return [
        span
        for span in list(receiver.spans)
        if span.attributes.get("messaging.message.conversation_id") == placed["correlationId"]
        and span.name.startswith("process ")
        and event_type in (None, span.attributes["cloudevents.event_type"])
    ]


def told(receiver, placed):
    """Return whether every service has handled the order to its end."""
    spans = [s for s in processed(receiver, placed) if s.attributes["workers.outcome"] == "handled"]
    confirmed = {s.service for s in spans if s.attributes["cloudevents.event_type"] == OF_END}
    return {span.service for span in spans} >= CONSUMERS and confirmed == {
        "notification",
        "analytics",
    }


OF_END = "order.confirmed"


def linked(receiver, name, trace_id):
    """Return the spans of a name that are linked to a trace."""
    return [
        span
        for span in list(receiver.spans)
        if span.name == name and trace_id in {trace for trace, _ in span.links}
    ]


def parents(receiver, trace_id):
    """Return the ids that the spans of a trace name as their parents."""
    return {span.parent for span in receiver.of(trace_id) if span.parent}


def test_an_order_is_one_trace_from_the_request_to_the_last_consumer(system, receiver):
    placed = place(system.api_url)
    eventually(lambda: told(receiver, placed), PATIENCE)

    [trace_id] = {span.trace_id for span in processed(receiver, placed)}
    # A process sends its spans in batches of its own.
    eventually(lambda: receiver.of(trace_id, "POST /orders"), PATIENCE)
    eventually(lambda: linked(receiver, "settle payment-queue", trace_id), PATIENCE)
    eventually(lambda: linked(receiver, "receive payment-queue", trace_id), PATIENCE)
    eventually(
        lambda: parents(receiver, trace_id) <= {s.id for s in receiver.of(trace_id)}, PATIENCE
    )
    by_id = {span.id: span for span in receiver.of(trace_id)}
    [root] = [span for span in by_id.values() if not span.parent]
    assert (root.name, root.kind, root.service) == ("POST /orders", "SERVER", "order-api")
    assert all(span.parent in by_id for span in by_id.values() if span is not root)

    created = processed(receiver, placed, "order.created")
    assert {by_id[span.parent].name for span in created} == {"POST /orders"}
    assert {span.kind for span in created} == {"CONSUMER"}
    completed = processed(receiver, placed, "payment.completed")
    causes = {by_id[span.parent].name for span in completed}
    assert causes == {"process payment-queue"}

    published = receiver.of(trace_id, "publish order-events", "order-api")
    assert [(span.kind, span.parent) for span in published] == [("PRODUCER", root.id)]
    assert published[0].links == [(trace_id, root.id)]
    [payment] = [span for span in created if span.service == "payment"]
    wrote = [s.name for s in by_id.values() if s.parent == payment.id and s.kind == "CLIENT"]
    assert "TransactWriteItems payment" in wrote
    settled = linked(receiver, "settle payment-queue", trace_id)
    assert any((trace_id, payment.id) in span.links for span in settled)
    received = linked(receiver, "receive payment-queue", trace_id)
    assert any((trace_id, root.id) in span.links for span in received)


def test_a_trace_goes_on_over_the_outbox_redeliveries_and_a_redrive(system, receiver):
    port = reserve_port()
    [child] = [c for c in system.processes.children if c.service == "order-api"]
    # It cannot publish, so the relay does.
    broken = f"arn:aws:sns:eu-west-1:{'0' * 12}:nowhere"
    system.processes.start(
        "order-api", {**child.environment, "PORT": str(port), "TOPIC_ARN": broken}
    )
    system.processes.wait_until_ready()
    placed = place(f"http://127.0.0.1:{port}", simulateTechnicalFailure="payment")
    release_port(port)

    sqs, settings = system.clients.control(), system.settings
    dead = names.dlq_url(sqs, settings, "payment")
    eventually(lambda: depth(sqs, dead).visible == 1, PATIENCE)
    system.processes.replace("payment", {"ALLOW_SIMULATION": "false"})
    redrive(sqs, dead, names.queue_url(sqs, settings, "payment"))
    eventually(lambda: told(receiver, placed), PATIENCE)

    spans = processed(receiver, placed)
    [trace_id] = {span.trace_id for span in spans}
    [root] = receiver.of(trace_id, "POST /orders")
    [published] = receiver.of(trace_id, "publish order-events", "relay")
    assert (published.parent, published.links) == (root.id, [(trace_id, root.id)])
    tries = [s for s in spans if s.service == "payment"]
    ends = [span.attributes["workers.outcome"] for span in tries]
    assert ends == ["retried", "retried", "dead_lettered", "handled"]
    assert [span.failed for span in tries] == [True, True, True, False]
    assert {span.parent for span in tries} == {root.id}
    assert {s.attributes.get("error.type") for s in tries[:3]} == {"transient"}
    [letter] = receiver.of(trace_id, "send payment-queue-dlq")
    assert letter.parent == tries[2].id
    [completed] = {s.parent for s in processed(receiver, placed, "payment.completed")}
    assert completed == tries[3].id


def test_every_log_line_about_an_order_has_its_trace(system, receiver):
    placed = place(system.api_url)
    eventually(lambda: told(receiver, placed), PATIENCE)
    [trace_id] = {span.trace_id for span in processed(receiver, placed)}

    lines = [
        json.loads(line)
        for log in system.directory.glob("*.log")
        for line in log.read_text().splitlines()
        if placed["correlationId"] in line
    ]
    assert {line["service"] for line in lines} >= CONSUMERS | {"order-api"}
    assert {line.get("traceId") for line in lines} == {trace_id}


def test_no_span_has_personal_data_and_no_name_has_an_id(system, receiver):
    placed = place(system.api_url, customerId="customer-of-the-canary")
    eventually(lambda: told(receiver, placed), PATIENCE)

    assert receiver.raw
    for body in receiver.raw:
        assert b"canary" not in body
        assert b"127.0.0.1" not in body.replace(system.aws.url.encode(), b"")
    assert {span.name for span in receiver.spans if any(c.isdigit() for c in span.name)} == set()
    [resource] = [s.resource for s in processed(receiver, placed) if s.service == "orders"][:1]
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.version"]
