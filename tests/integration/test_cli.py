"""The operators' commands work on the embedded AWS."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import boto3
import pytest
from support.builders import NOON, an_envelope, an_order, encoded
from typer.testing import CliRunner

from workers import cli
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.moving import RedriveError
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.sqs import SqsQueue
from workers.events import decode
from workers.ops.cloudevents import to_cloudevent
from workers.runtime.ports import Failure
from workers.signing import Signing

pytestmark = pytest.mark.integration


@pytest.fixture
def workers(provisioned, monkeypatch):
    """Run a command; return its output, with its errors if it is to exit with another code."""
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), arguments)
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


@pytest.fixture
def payment(provisioned):
    """Return payment's queue."""
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
    """Dead-letter a message of payment, like a worker."""
    body = an_envelope(an_order(order_id="order-7")).encode()
    payment.control.send_message(QueueUrl=payment.url, MessageBody=body)
    (message,) = payment.receive(1, 1)
    payment.dead_letter(message, Failure("the gateway is closed", "transient", 3))
    payment.delete([message.receipt_handle])
    return body


def test_queues_shows_waiting_and_dead_lettered_messages(workers, dead_letter):
    assert dead_letter
    found = {queue["service"]: queue for queue in json.loads(workers("queues", "--json"))}

    assert found["payment"]["dead"] == 1
    assert found["payment"]["visible"] == found["orders"]["dead"] == 0
    assert "payment" in workers("queues")


def test_a_dead_letter_is_listed_with_its_reason_and_stays(workers, dead_letter):
    for _ in range(2):
        (letter,) = json.loads(workers("dlq", "list", "payment", "--json"))
        assert (letter["reason"], letter["attempts"]) == ("the gateway is closed", 3)
        assert letter["order_id"] == "order-7"
    shown = json.loads(workers("dlq", "show", "payment", letter["id"][:8], "--reveal", "--json"))
    assert shown["body"] == dead_letter
    assert "the gateway is closed" in workers("dlq", "list", "payment")


def test_a_redrive_is_a_dry_run_until_it_is_confirmed(workers, payment, dead_letter):
    dry = json.loads(workers("dlq", "redrive", "payment", "--json"))
    assert (dry["messages"], dry["moved"]) == (1, False)
    assert payment.receive(10, 0) == []

    done = json.loads(workers("dlq", "redrive", "payment", "--yes", "--json"))
    assert (done["messages"], done["moved"]) == (1, True)
    assert [message.body for message in payment.receive(10, 1)] == [dead_letter]
    assert "empty" in workers("dlq", "list", "payment")


def test_a_redrive_that_cannot_move_the_messages_fails(workers, payment, dead_letter):
    """SQS runs one move task at a time: the second operator is told so, and moves nothing."""
    assert dead_letter
    for number in range(60):  # a minute of work
        boto3.client("sqs").send_message(QueueUrl=payment.dlq_url, MessageBody=str(number))
    queues = {"SourceArn": payment.dlq_url, "DestinationArn": payment.url}
    arns = {name: arn_of(url) for name, url in queues.items()}
    slow = boto3.client("sqs").start_message_move_task(**arns, MaxNumberOfMessagesPerSecond=1)

    assert "another move task is running" in workers("dlq", "redrive", "payment", "--yes", code=1)

    boto3.client("sqs").cancel_message_move_task(TaskHandle=slow["TaskHandle"])


def test_a_redrive_shows_its_progress_and_exits_with_1_if_its_task_fails(workers, monkeypatch):
    def fail(*_, report, **__):
        report(3, 12)
        raise RedriveError("the move task failed after 3 of 12 messages: AWS.KMS.AccessDenied")

    monkeypatch.setattr("workers.ops.dlq_native.redrive", fail)

    output = workers("dlq", "redrive", "payment", "--yes", "--json", code=1)

    assert output.splitlines() == [
        "workers: moving: 3 of 12 messages",
        "workers: the move task failed after 3 of 12 messages: AWS.KMS.AccessDenied",
        "No message is lost. Run the same command again to go on",
    ]


def test_what_sns_could_not_deliver_is_moved_one_by_one(workers, payment, monkeypatch):
    """SQS has no move task for a queue that is the dead-letter queue of no queue."""
    undelivered = boto3.client("sqs").create_queue(QueueName=f"u-{uuid4()}")["QueueUrl"]
    for text in ("one", "two"):
        boto3.client("sqs").send_message(QueueUrl=undelivered, MessageBody=text)
    monkeypatch.setenv("DLQ_URL", undelivered)

    assert "moved 2 messages" in workers("dlq", "redrive", "payment", "--yes")

    assert sorted(message.body for message in payment.receive(10, 1)) == ["one", "two"]


def arn_of(url):
    found = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]


def test_a_service_without_a_queue_is_an_error_that_lists_the_others(workers):
    with pytest.raises(AssertionError, match="payment"):
        workers("dlq", "list", "relay")
    workers("dlq", "list", "relay", code=2)


def test_an_event_is_published_byte_for_byte_from_a_file(workers, payment, tmp_path):
    fields = json.loads(an_envelope(an_order()).encode()) | {"tenant": "näme"}
    event = tmp_path / "event.json"
    event.write_bytes(json.dumps(fields, indent=2).replace("\n", "\r\n").encode())

    dry = workers("publish", str(event))
    assert "would publish order.created event-1; add --yes" in dry
    assert payment.receive(10, 0) == []

    workers("publish", str(event), "--reason", "lost in a restore", "--yes")

    assert [message.body.encode() for message in payment.receive(10, 2)] == [event.read_bytes()]
    (audited,) = json.loads(workers("audit", "orders", "--json"))
    assert (audited["action"], audited["reason"]) == ("publish", "lost in a restore")
    assert audited["detail"] == {
        "event": "event-1",
        "type": "order.created",
        "orderId": "order-1",
    }


def test_publishing_says_who_will_act_and_that_it_would_charge(tmp_path):
    event = tmp_path / "event.json"
    event.write_text(an_envelope(an_order()).encode())
    result = CliRunner().invoke(cli.build(), ["publish", str(event), "--json"])
    assert json.loads(result.stdout)["published"] is False

    assert "consumed by payment, inventory, notification, analytics" in result.stderr
    assert "payment CHARGES the customer 24.60 EUR, unless order order-1 is paid" in result.stderr


@pytest.fixture
def file(tmp_path):
    """Write an event into a file; return its path."""

    def write(event=None, **changes):
        path = tmp_path / "event.json"
        path.write_text(an_envelope(event or an_order(), **changes).encode() + "\n")
        return str(path)

    return write


def test_an_event_from_a_service_that_publishes_none_such_is_not_published(workers, payment, file):
    told = workers("publish", file(source="analytics"), "--yes", code=2)
    assert "order.created from a stranger; it is believed from order-api, relay" in told
    assert payment.receive(10, 0) == []


def test_a_published_event_is_signed_where_signing_is_on(workers, payment, file, monkeypatch):
    monkeypatch.setenv("SIGNING", "require")
    monkeypatch.setenv("SIGNING_KEY_ID", "key")
    monkeypatch.setenv("SIGNING_KEYS", json.dumps({"key": "k" * 32}))
    workers("publish", file(), "--yes")
    (message,) = payment.receive(10, 2)
    Signing({"key": "k" * 32}, "key").verify(message.body)


def test_a_cloudevent_is_published_byte_for_byte(workers, payment, tmp_path):
    path = tmp_path / "event.json"
    path.write_text(to_cloudevent(an_envelope(an_order()).encode()))
    workers("publish", str(path), "--yes")
    (message,) = payment.receive(10, 2)
    assert message.body == path.read_text()


def test_publishing_an_old_event_says_that_it_will_have_no_effect(file):
    result = CliRunner().invoke(cli.build(), ["publish", file()])
    assert "older than 90 days: they dead-letter it as too_old" in result.stderr
    result = CliRunner().invoke(cli.build(), ["publish", file(occurred_at=datetime.now(UTC))])
    assert "older" not in result.stderr


def test_a_file_of_events_is_written_as_cloudevents(file):
    result = CliRunner().invoke(cli.build(), ["cloudevents", file()])
    (line,) = result.stdout.splitlines()
    assert decode(line) == an_envelope(an_order())


def test_a_line_that_is_no_event_is_reported(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("nonsense\n" + an_envelope().encode())
    result = CliRunner().invoke(cli.build(), ["cloudevents", str(path)])
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    assert "line 1: the body is not JSON" in result.stderr


def test_an_event_without_the_type_that_filters_need_is_not_published(workers, tmp_path):
    event = tmp_path / "event.json"
    fields = json.loads(an_envelope(an_order()).encode())
    del fields["eventType"]
    event.write_text(json.dumps(fields))

    assert "eventType: missing" in workers("publish", str(event), "--yes", code=2)


def test_an_sns_notification_is_not_published(workers, payment, tmp_path):
    event = tmp_path / "event.json"
    wrapped = {"Type": "Notification", "Message": an_envelope(an_order()).encode()}
    event.write_text(json.dumps(wrapped))

    workers("publish", str(event), "--yes", code=2)

    assert payment.receive(10, 0) == []


def test_anything_but_an_event_is_not_published(workers, payment, tmp_path):
    event = tmp_path / "event.json"
    event.write_text("{}")

    workers("publish", str(event), "--yes", code=2)

    assert payment.receive(10, 0) == []


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


def test_the_contract_is_written_to_the_given_directory(workers, tmp_path):
    workers("schema", "export", str(tmp_path))

    assert (tmp_path / "asyncapi.json").exists()
    assert (tmp_path / "order.created.json").exists()


@pytest.fixture
def outbox(provisioned):
    dynamodb = Clients.connect(provisioned, threads=1).dynamodb()
    return Outbox(dynamodb, f"{provisioned.name_prefix}orders")


@pytest.fixture
def aside(outbox):
    """Set three events aside and let a fourth wait; return the ids of the three."""
    store = DynamoStore(outbox.client, outbox.table, outbox=True, clock=NOON.timestamp)
    events = [encoded(event_id=f"event-{n}", correlation_id=f"story-{n}") for n in range(4)]
    store.commit(store.begin("api#1"), events)
    leases = OutboxLeases(outbox.client, outbox.table)
    for n in range(3):
        lease = leases.take(0, "relay-1", leases.look(0))
        outbox.set_aside(lease, f"event-{n}", "sns: InvalidParameter: too large")
    return [f"event-{n}" for n in range(3)]


def test_the_outbox_shows_waiting_events_and_those_set_aside_with_reasons(workers, aside):
    found = json.loads(workers("outbox", "list", "--json"))

    assert [shard["shard"] for shard in found["shards"]] == [0, 1, 2, 3]
    assert found["shards"][0]["relay"] == "relay-1"
    assert sum(shard["waiting"] for shard in found["shards"]) == 1
    assert max(shard["oldest_seconds"] for shard in found["shards"]) > 3600
    assert found["set_aside"] == [
        {
            "event_id": event_id,
            "event_type": "order.created",
            "correlation_id": event_id.replace("event", "story"),
            "since": "2026-01-02T12:00:00+00:00",
            "reason": "sns: InvalidParameter: too large",
        }
        for event_id in aside
    ]
    shown = workers("outbox", "list")
    assert "too large" in shown
    assert "event-3" not in shown


def test_an_empty_outbox_is_reported(workers):
    assert "nothing is set aside" in workers("outbox", "list")
    assert workers("outbox", "retry", "--all", "--yes").startswith("0 events")


def test_a_confirmed_retry_puts_events_back_into_the_outbox(workers, aside, outbox):
    assert "would retry 3 events" in workers("outbox", "retry", "--all")
    assert outbox.stuck_count() == 3

    workers("outbox", "retry", "event-1", "--yes")
    assert {row.event_id for row in outbox.stuck()} == {"event-0", "event-2"}

    workers("outbox", "retry", "--all", "--reason", "raised the limit", "--yes")
    audited = json.loads(workers("audit", "orders", "--json"))[0]
    assert (audited["action"], audited["reason"], audited["count"], audited["detail"]) == (
        "outbox retry",
        "raised the limit",
        2,
        {"event": "all"},
    )
    assert outbox.stuck_count() == 0
    rows = [row for shard in range(outbox.SHARDS) for row in outbox.waiting(shard, 10)]
    assert {row.event_id for row in rows} == {*aside, "event-3"}
    assert {row.problem for row in rows} == {""}


def test_rows_set_aside_by_the_previous_version_are_put_back(workers, outbox):
    """That version could not read unknown types, and stored no attributes."""
    body = json.loads(encoded().body) | {"eventType": "order.split"}
    item = {
        "pk": "outbox#event-1",
        "body": json.dumps(body),
        "outboxShard": "stuck",
        "outboxOrder": "2026-01-02T12:00:00.000000+00:00#event-1",
        "stuckReason": "undecodable",
    }
    outbox.client.put_item(
        TableName=outbox.table, Item={name: {"S": text} for name, text in item.items()}
    )
    assert "order.split" in workers("outbox", "list")

    workers("outbox", "retry", "event-1", "--yes")

    (row,) = [row for shard in range(outbox.SHARDS) for row in outbox.waiting(shard, 10)]
    assert row.event.body == item["body"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], 2), (["event-1", "--all"], 2), (["unknown", "--yes"], 2), (["event-", "--yes"], 2)],
)
def test_an_ambiguous_choice_of_events_changes_nothing(workers, aside, outbox, arguments, code):
    workers("outbox", "retry", *arguments, code=code)

    assert outbox.stuck_count() == len(aside)


def test_an_unknown_event_is_an_error_that_lists_the_known_ones(workers, aside):
    assert aside
    with pytest.raises(AssertionError, match="event-0, event-1, event-2"):
        workers("outbox", "retry", "unknown")


def test_a_missing_table_is_named_together_with_the_place(aws, monkeypatch, capsys):
    monkeypatch.setenv("NAME_PREFIX", "nobody-")
    monkeypatch.setattr("sys.argv", ["workers", "stock", "list"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in ("account 123456789012", "region eu-west-1", aws.url, "NAME_PREFIX 'nobody-'"):
        assert part in said
