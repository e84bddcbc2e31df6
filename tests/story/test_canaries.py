"""Addresses and card numbers go through every service, and into no log, metric, trace or listing.

The numbers pass the check of Luhn, as real ones do. A customer may write one where nobody asks.
"""

import httpx
import pytest
from support.eventually import eventually
from support.otlp import Receiver
from typer.testing import CliRunner

from local.system import System
from workers import cli
from workers.aws import names
from workers.aws.sqs import depth
from workers.ops.stock import set_stock

pytestmark = [pytest.mark.story, pytest.mark.timeout(300)]

PATIENCE = 90  # s; a busy machine
CARD = "4242424242424242"
CANARIES = ("canary", CARD, "4242 4242 4242 4242", "5555-5555-5555-4444")
ORDER = {
    "customerEmail": "canary.bird@example.com",
    "customerId": "customer-of-the-canary",
    "owner": "auth0|the-canary",
    "paymentMethod": "pm-of-the-canary",
    "currency": "EUR",
    "items": [{"sku": "TEA", "quantity": 1, "price": 5}],
}
REASON = {"reason": "canary@example.com wants it back on 4242 4242 4242 4242"}
REFUSED = (
    {"paymentMethod": CARD},
    {"paymentMethod": "5555-5555-5555-4444"},
    {"customerEmail": "canary bird@example.com"},
    {"customerEmail": f"canary@{CARD}@example.com"},
    {"customerId": f"canary {CARD}"},
    {"currency": CARD},
    {"items": [{"sku": f"canary {CARD}", "quantity": 1, "price": 1}]},
    {"items": [{"sku": "TEA", "quantity": int(CARD), "price": CARD}]},
)
MALFORMED = f'{{"eventType": "canary@example.com", "eventVersion": "1.0", "data": "{CARD}"}}'
LISTINGS = (
    ("dlq", "list", "payment"),
    ("dlq", "list", "payment", "--json"),
    ("dlq", "list", "payment", "--group"),
    ("queues",),
    ("queues", "--json"),
    ("order", "list"),
    ("order", "list", "--json"),
    ("outbox", "list"),
    ("outbox", "list", "--json"),
)


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def system(tmp_path_factory, receiver):
    """Run the system with every way to tell something about an order turned on."""
    environment = {
        "ENVIRONMENT": "test",
        "LOG_LEVEL": "debug",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
    }
    with System(tmp_path_factory.mktemp("canaries") / "logs", environment=environment) as system:
        set_stock(system.clients.dynamodb(), "inventory", "TEA", available=100, reorder_threshold=1)
        yield system


@pytest.fixture(scope="module")
def story(system):
    """Let orders succeed, fail in both ways, be cancelled and refused; return the refusals."""
    with httpx.Client(base_url=system.api_url, timeout=30) as client:

        def placed(**changes):
            answer = client.post("/orders", json=ORDER | changes)
            assert answer.status_code == 202, answer.text
            return f"/orders/{answer.json()['orderId']}"

        def state(order):
            return client.get(order).json()["state"]

        failed = [placed(simulateTechnicalFailure="payment"), placed(inventoryOutcome="reserved")]
        confirmed, declined = placed(), placed(paymentOutcome="declined")
        eventually(lambda: state(confirmed) == "confirmed", PATIENCE)
        eventually(lambda: state(declined) == "cancelled", PATIENCE)
        assert client.post(f"{failed[1]}/cancel", json=REASON).status_code == 202
        assert client.post(f"{confirmed}/refund", json=REASON).status_code == 202

        sqs = system.clients.control()
        queue = names.queue_url(sqs, system.settings, "payment")
        sqs.send_message(QueueUrl=queue, MessageBody=MALFORMED)
        dead = names.dlq_url(sqs, system.settings, "payment")
        eventually(lambda: depth(sqs, dead).visible == 2, PATIENCE)
        return [client.post("/orders", json=ORDER | changes) for changes in REFUSED]


def told(text):
    return [canary for canary in CANARIES if canary in text]


def test_no_refusal_quotes_them(story):
    assert {answer.status_code for answer in story} == {422}
    for answer in story:
        assert told(answer.text) == []


@pytest.mark.usefixtures("story")
def test_no_log_has_them(system):
    logs = {path.name: path.read_text("utf-8") for path in system.directory.glob("*.log")}

    assert len(logs) >= len(system.topology.services)
    assert all("eventId" in logs[f"{service}-1.log"] for service in ("payment", "order-api"))
    assert {name: told(text) for name, text in logs.items() if told(text)} == {}


@pytest.mark.usefixtures("story")
def test_no_metric_has_them(system):
    for child in system.processes.children:
        metrics = httpx.get(f"http://127.0.0.1:{child.port}/metrics").text
        assert "# TYPE" in metrics
        assert told(metrics) == [], child.name


@pytest.mark.usefixtures("story")
def test_no_span_has_them(receiver):
    eventually(lambda: len({span.service for span in receiver.spans}) >= 6, PATIENCE)

    assert [told(body.decode("utf-8", "replace")) for body in receiver.raw if told(str(body))] == []


@pytest.mark.usefixtures("story", "system")
@pytest.mark.parametrize("command", LISTINGS, ids=" ".join)
def test_no_listing_shows_them(command):
    result = CliRunner().invoke(cli.build(), [*command])

    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 1 or "{" in result.output
    assert told(result.output + result.stderr) == []
