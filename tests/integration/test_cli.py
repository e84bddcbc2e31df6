"""What an operator types, on the embedded AWS."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from builders import an_envelope, an_order
from typer.testing import CliRunner

from workers import cli
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.sqs import SqsQueue
from workers.runtime.ports import Failure

pytestmark = pytest.mark.integration


@pytest.fixture
def workers(provisioned, monkeypatch):
    """Run a command; gives its output, and fails if the command does."""
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == code, result.output
        return result.stdout

    return run


@pytest.fixture
def payment(provisioned):
    """Give payment's queue."""
    clients = Clients.connect(provisioned, threads=1)
    control = clients.control()
    return SqsQueue(
        clients.poll(),
        clients.settle(),
        url=names.queue_url(control, provisioned, "payment"),
        dlq_url=names.dlq_url(control, provisioned, "payment"),
        service="payment",
        visibility_timeout=60,
    )


@pytest.fixture
def dead_letter(payment):
    """Put a message into payment's dead-letter queue, as a worker does."""
    body = an_envelope(an_order(order_id="order-7")).encode()
    payment.control.send_message(QueueUrl=payment.url, MessageBody=body)
    (message,) = payment.receive(1, 1)
    payment.dead_letter(message, Failure("the gateway is closed", "transient", 3))
    payment.delete([message.receipt_handle])
    return body


def test_queues_shows_what_waits_and_what_is_dead(workers, dead_letter):
    assert dead_letter
    found = {queue["service"]: queue for queue in json.loads(workers("queues", "--json"))}

    assert found["payment"]["dead"] == 1
    assert found["payment"]["visible"] == found["orders"]["dead"] == 0
    assert "payment-queue" in workers("queues")


def test_a_dead_letter_says_why_and_can_be_looked_at_again(workers, dead_letter):
    for _ in range(2):
        (letter,) = json.loads(workers("dlq", "list", "payment", "--json"))
        assert (letter["reason"], letter["attempts"]) == ("the gateway is closed", 3)
        assert letter["order_id"] == "order-7"
    shown = json.loads(workers("dlq", "show", "payment", letter["id"][:8]))
    assert shown["body"] == dead_letter
    assert "the gateway is closed" in workers("dlq", "list", "payment")


def test_a_redrive_says_what_it_would_do_and_does_it_when_told(workers, payment, dead_letter):
    dry = json.loads(workers("dlq", "redrive", "payment", "--json"))
    assert (dry["messages"], dry["moved"]) == (1, False)
    assert payment.receive(10, 0) == []

    done = json.loads(workers("dlq", "redrive", "payment", "--yes", "--json"))
    assert (done["messages"], done["moved"]) == (1, True)
    assert [message.body for message in payment.receive(10, 1)] == [dead_letter]
    assert "empty" in workers("dlq", "list", "payment")


def test_a_service_without_a_queue_is_a_mistake_that_names_the_others(workers):
    with pytest.raises(AssertionError, match="payment"):
        workers("dlq", "list", "relay")
    workers("dlq", "list", "relay", code=2)


def test_an_event_is_published_as_it_stands_in_a_file(workers, payment, tmp_path):
    fields = json.loads(an_envelope(an_order()).encode()) | {"tenant": "näme"}
    event = tmp_path / "event.json"
    event.write_bytes(json.dumps(fields, indent=2).replace("\n", "\r\n").encode())

    workers("publish", str(event))

    assert [message.body.encode() for message in payment.receive(10, 2)] == [event.read_bytes()]


def test_a_notification_of_sns_is_no_event_to_publish(workers, payment, tmp_path):
    event = tmp_path / "event.json"
    wrapped = {"Type": "Notification", "Message": an_envelope(an_order()).encode()}
    event.write_text(json.dumps(wrapped))

    workers("publish", str(event), code=2)

    assert payment.receive(10, 0) == []


def test_what_is_no_event_is_not_published(workers, payment, tmp_path):
    event = tmp_path / "event.json"
    event.write_text("{}")

    workers("publish", str(event), code=2)

    assert payment.receive(10, 0) == []


def test_a_shelf_is_filled_and_shown(workers):
    workers("stock", "set", "LAPTOP-001", "12", "--reorder-at", "3")

    assert json.loads(workers("stock", "list", "--json")) == [
        {"sku": "LAPTOP-001", "available": 12, "reserved": 0, "reorder_threshold": 3}
    ]
    assert "LAPTOP-001" in workers("stock", "list")


def test_counters_are_summed_over_hours_and_shards(workers, provisioned):
    assert "nothing" in workers("counters")
    dynamodb = boto3.client("dynamodb")
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    for shard in ("0", "7"):
        dynamodb.put_item(
            TableName=f"{provisioned.name_prefix}analytics",
            Item={
                "pk": {"S": f"hour#{hour}#{shard}"},
                "order.created": {"N": "2"},
                "revenue.EUR": {"N": "12.30"},
                "version": {"N": "1"},
            },
        )

    assert json.loads(workers("counters", "--json", "--hours", "2")) == {
        "order.created": "4",
        "revenue.EUR": "24.60",
    }


def test_provisioning_twice_changes_nothing(workers):
    assert "0 changes" in workers("provision")


def test_the_contract_is_written_where_it_is_asked_for(workers, tmp_path):
    workers("schema", "export", str(tmp_path))

    assert (tmp_path / "asyncapi.json").exists()
    assert (tmp_path / "order.created.json").exists()
