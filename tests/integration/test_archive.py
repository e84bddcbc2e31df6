"""The embedded AWS archives every event that is published, and a replay sends them again."""

import gzip
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from support.builders import NOON, a_payment, an_order, encoded
from typer.testing import CliRunner

from local.archive import ensure_archive
from local.aws.faults.rules import Rule
from workers import cli
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.sns import SnsTopic
from workers.ops.replay import MEMORY
from workers.runtime.errors import FatalError
from workers.topology import Topology

pytestmark = pytest.mark.integration


class Archived:
    """A provisioned environment with an archive."""

    def __init__(self, settings):
        self.settings = settings
        clients = Clients.connect(settings, threads=1)
        sns = clients.sns()
        arn = names.topic_arn(sns, settings, Topology.load().topic)
        self.topic = SnsTopic(sns, arn)
        self.bucket = ensure_archive(arn, settings.name_prefix)
        self.sqs = clients.control()
        self.dynamodb = clients.dynamodb()

    def publish(self, *events):
        assert self.topic.publish(events) == {}

    def lines(self, prefix="events/"):
        """Return the archived lines by key, without the file's name."""
        s3 = boto3.client("s3")
        found = {}
        for each in s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", []):
            body = s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read()
            lines = gzip.decompress(body).decode().splitlines()
            found.setdefault(each["Key"].rpartition("/")[0], []).extend(lines)
        return found

    def drain(self, service):
        """Receive and delete what waits for a service; return bodies and attributes."""
        url, found = names.queue_url(self.sqs, self.settings, service), []
        while batch := self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=1,
        ).get("Messages"):
            for each in batch:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                attributes = each.get("MessageAttributes", {})
                found.append((each["Body"], {n: a["StringValue"] for n, a in attributes.items()}))
        return found


@pytest.fixture
def archived(provisioned):
    return Archived(provisioned)


@pytest.fixture
def workers(archived, monkeypatch):
    """Run a command; return its output, with its errors if it is to exit with another code."""
    monkeypatch.setenv("NAME_PREFIX", archived.settings.name_prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output if code else result.stdout

    return run


def events(count, *, occurred_at=NOON, start=0):
    """Make orders, an event each."""
    return [
        encoded(an_order(order_id=f"order-{n}"), event_id=f"event-{n}", occurred_at=occurred_at)
        for n in range(start, start + count)
    ]


def test_every_event_is_archived_once_under_the_day_on_which_it_occurred_and_its_type(archived):
    created = events(3)
    late = encoded(a_payment(), event_id="late", occurred_at=NOON - timedelta(days=1))

    archived.publish(*created, late)

    assert archived.lines() == {
        "events/day=2026-01-02/type=order.created": [each.body for each in created],
        "events/day=2026-01-01/type=payment.completed": [late.body],
    }


def test_what_firehose_cannot_read_goes_to_the_errors_with_its_body(archived):
    boto3.client("sns").publish(TopicArn=archived.topic.arn, Message="no JSON")

    [(key, [line])] = archived.lines("errors/").items()

    assert key.startswith("errors/metadata-extraction-failed/")
    assert json.loads(line)["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"


def test_a_replay_sends_the_same_bodies_and_attributes_to_one_queue_only(archived, workers):
    published = events(25)
    archived.publish(*published)
    original = {service: archived.drain(service) for service in ("analytics", "payment")}
    assert len(original["analytics"]) == 25

    dry = json.loads(workers("replay", "payment", "--from", "2026-01-02", "--forgotten", "--json"))
    assert (dry["events"], dry["types"], dry["sent"]) == (25, {"order.created": 25}, False)
    assert archived.drain("payment") == []

    workers("replay", "payment", "--from", "2026-01-02", "--forgotten", "--yes")

    def sort(found):
        return sorted(found, key=lambda each: each[0])

    assert sort(archived.drain("payment")) == sort(original["payment"])
    assert archived.drain("analytics") == []


def test_the_events_of_an_order_are_found_without_the_others(archived, workers):
    archived.publish(*events(5))
    archived.drain("inventory")

    found = workers(
        "replay", "inventory", "--order", "order-3", "--from", "2026-01-01", "--forgotten", "--yes"
    )

    assert "sent 1 event to the inventory queue" in found
    [(body, _)] = archived.drain("inventory")
    assert json.loads(body)["eventId"] == "event-3"


def test_events_that_the_service_has_handled_are_left_out(archived, workers):
    now = datetime.now(UTC)
    published = events(5, occurred_at=now)
    archived.publish(*published)
    archived.drain("payment")
    handle(archived, "payment", published[:3])

    arguments = ("replay", "payment", "--from", f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    first = json.loads(workers(*arguments, "--yes", "--json"))
    assert (first["read"], first["handled"], first["events"]) == (5, 3, 2)
    assert {json.loads(body)["eventId"] for body, _ in archived.drain("payment")} == {
        "event-3",
        "event-4",
    }

    everything = json.loads(workers(*arguments, "--yes", "--again", "--json"))
    assert (everything["handled"], everything["events"]) == (0, 5)


def handle(archived, service, published):
    """Let a service handle events, like its worker."""
    store = DynamoStore(archived.dynamodb, archived.settings.name_prefix + service)
    for event in published:
        key = f"{event.attributes['source']}#{event.event_id}"
        store.commit(store.begin(key), [])


@pytest.mark.parametrize("service", ["payment", "analytics"])
def test_events_that_the_inbox_may_have_forgotten_are_not_sent(archived, workers, service):
    archived.publish(*events(2, occurred_at=datetime.now(UTC) - MEMORY - timedelta(hours=1)))

    found = json.loads(workers("replay", service, "--from", "2020-01-01", "--yes", "--json"))

    assert (found["forgotten"], found["events"]) == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shipping", "--from", "2026-01-01"], "Services with a queue: "),
        (["payment"], "say which events"),
        (["payment", "--from", "noon"], "--from: 'noon' is not a time"),
        (["payment", "--from", "2026-01-02", "--to", "2026-01-01"], "must be before"),
        (["payment", "--order", "unknown"], "no order unknown"),
        (
            ["payment", "--from", "2026-01-01", "--type", "order.eaten"],
            "no such event: order.eaten",
        ),
        (["payment", "--from", "2026-01-01", "--type", "order.shipped"], "payment consumes none"),
        (["payment", "--rebuild"], "only analytics can be rebuilt"),
        (["analytics", "--rebuild", "--order", "order-1"], "reads the whole archive"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_exists(workers, arguments, words):
    assert words in workers("replay", *arguments, code=2)


def test_without_an_archive_the_command_says_so(provisioned, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)

    result = CliRunner().invoke(cli.build(), ["replay", "payment", "--from", "2026-01-01"])

    assert isinstance(result.exception, FatalError)
    assert "there is no archive: bucket" in str(result.exception)


def test_an_event_with_line_breaks_is_one_event(archived, workers):
    body = json.dumps(json.loads(events(1)[0].body), indent=2)
    archived.publish(replace(events(1)[0], body=body), *events(1, start=1))
    archived.drain("payment")

    workers("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes")

    assert body in [found for found, _ in archived.drain("payment")]


def test_a_replay_sends_at_least_300_events_a_second(archived, workers):
    published = events(1_000)
    archived.publish(*published)
    began = time.monotonic()

    found = json.loads(
        workers("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes", "--json")
    )

    assert found["events"] == 1_000
    assert 1_000 / (time.monotonic() - began) > 300


def test_a_rate_is_kept(archived, workers):
    archived.publish(*events(20))
    began = time.monotonic()

    workers("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes", "--rate", "10")

    assert time.monotonic() - began > 2


def test_a_replay_is_on_record(archived, workers):
    archived.publish(*events(3))
    workers(
        "replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes", "--reason", "a bug"
    )

    [entry] = json.loads(workers("audit", "payment", "--json"))

    assert (entry["action"], entry["count"], entry["result"]) == ("replay", 3, "done")
    assert entry["reason"] == "a bug"
    assert entry["detail"]["from"].startswith("2026-01-01")


@pytest.fixture
def faulty(aws):
    """Return the embedded AWS; remove all rules after the test."""
    yield aws
    aws.heal()


def test_an_outage_in_the_middle_ends_the_replay_and_the_next_one_goes_on(
    archived, workers, faulty
):
    published = events(600)
    archived.publish(*published)
    archived.drain("payment")
    replay = ("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes", "--json")

    faulty.inject([Rule(operation="sqs.SendMessageBatch", mode="error", skip=35)])
    first = workers(*replay, code=1)
    faulty.heal()
    second = json.loads(workers(*replay))

    assert "Run the same command again to go on" in first
    assert second["read"] == 600
    bodies = [body for body, _ in archived.drain("payment")]
    assert set(bodies) == {event.body for event in published}
    [resumed, interrupted] = json.loads(workers("audit", "payment", "--json"))
    assert resumed["result"] == "done"
    assert interrupted["result"] == "failed: Unavailable"


def test_lost_and_partial_answers_lose_no_event(archived, workers, faulty):
    published = events(300)
    archived.publish(*published)
    archived.drain("payment")

    faulty.inject(
        [
            Rule(operation="sqs.SendMessageBatch", mode="partial", rate=0.3),
            Rule(operation="sqs.SendMessageBatch", mode="drop_after", rate=0.1),
        ]
    )
    workers("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes")
    faulty.heal()

    bodies = [body for body, _ in archived.drain("payment")]
    assert set(bodies) == {event.body for event in published}
