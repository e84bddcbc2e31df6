"""The adapters alone: what they store in AWS, and their errors when AWS refuses."""

import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from support.builders import NOON, a_message, a_payment, an_envelope

from workers.aws import names
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.ses import SesMailer
from workers.aws.simulated_gateway import CHARGE, REFUND, SimulatedGateway
from workers.aws.sns import SnsTopic
from workers.aws.sqs import MAX_MESSAGE_BYTES, SqsQueue, depth
from workers.envelope import Encoded
from workers.glimpse import Glimpse
from workers.ops.failures import failures_of
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.ports import Attempt, AttemptLog, FailedAttempt, Failure, Handling
from workers.settings import Settings

pytestmark = pytest.mark.integration

CAUSE = an_envelope()
OUTCOME = Encoded.of(CAUSE.then(a_payment(), source="payment"))
MAX_ITEM_BYTES = 400 * 1024
TIMELINE = ("at", "sentAt", "startedAt", "receiveCount", "messageId", "worker", "version")
ATTEMPT = Attempt(1, "2026-01-02T12:00:00+00:00", "worker-1", "ValueError: a bug")


@pytest.fixture
def row(dynamodb, table):
    """Read a row as it is stored."""
    return lambda key: dynamodb.get_item(TableName=table, Key={"pk": {"S": key}}).get("Item")


def test_an_inbox_row_expires_after_its_retention(dynamodb, table, row):
    store = DynamoStore(dynamodb, table, clock=NOON.timestamp)
    store.commit(store.begin(CAUSE.key), (OUTCOME,))
    store.record_attempt("message-1", ATTEMPT, returned=False)
    store.excuse_attempt("message-2", 1, returned=True)

    expires = str(int((NOON + INBOX_RETENTION).timestamp()))
    assert row(f"inbox#{CAUSE.key}")["expires"] == {"N": expires}
    assert row("attempts#message-1")["expires"] == {"N": expires}
    assert row("attempts#message-2")["expires"] == {"N": expires}


def test_failures_expire_after_thirty_days_and_a_full_row_stays_small(dynamodb, table, row):
    store = DynamoStore(dynamodb, table, clock=NOON.timestamp)
    for number in range(100):
        long = dict.fromkeys(("reason", "frame", "type", "worker"), f"{number:04}{'☃' * 2000}")
        attempt = FailedAttempt(
            message_id="m" * 36, receive_count=number, at=f"{number:04}", outcome="retried", **long
        )
        store.record_failure("shop#event-1", Glimpse(), attempt)

    stored = row("failures#shop#event-1")
    assert stored["expires"] == {"N": str(int((NOON + timedelta(days=30)).timestamp()))}
    assert len(str(stored).encode()) < MAX_ITEM_BYTES / 4
    assert store.failures("shop#event-1").recorded == 100


def test_the_reader_of_operations_reads_what_a_worker_wrote(dynamodb, table):
    attempt = FailedAttempt("message-1", 1, "2026-01-02", "malformed", "no", "dead_lettered")
    DynamoStore(dynamodb, table).record_failure("shop#event-1", Glimpse("a.b"), attempt)

    found = failures_of(dynamodb, table, "shop#event-1")

    assert (found.attempts, found.about.event_type) == ((attempt,), "a.b")
    assert failures_of(dynamodb, table, "shop#event-2").attempts == ()


def test_failures_of_a_newer_version_are_read_as_far_as_they_are_known(dynamodb, table):
    fields = {"at": {"S": "today"}, "severity": {"N": "3"}, "attempt": {"S": "first"}}
    dynamodb.put_item(
        TableName=table,
        Item={
            "pk": {"S": "failures#shop#event-1"},
            "attempt#message-1#2": {"M": fields},
            "attempt#strange": {"M": {}},
            "subject": {"S": "an order"},
            "recorded": {"S": "many"},
        },
    )
    found = failures_of(dynamodb, table, "shop#event-1")

    assert [a.at for a in found.attempts] == ["", "today"]
    assert (found.recorded, found.about) == (0, Glimpse())


def test_an_inbox_row_says_when_and_where_the_event_was_handled(dynamodb, table, row):
    store = DynamoStore(dynamodb, table, clock=NOON.timestamp)
    noon = NOON.timestamp()
    handling = Handling("message-1", 2, noon - 1.5, noon - 0.25, "worker-1", "0123456789ab")
    store.commit(store.begin(CAUSE.key, handling=handling), (OUTCOME,))
    store.commit(store.begin("api#key"), (OUTCOME,))

    stored = row(f"inbox#{CAUSE.key}")
    assert {name: stored[name] for name in TIMELINE} == {
        "at": {"S": "2026-01-02T12:00:00.000+00:00"},
        "sentAt": {"S": "2026-01-02T11:59:58.500+00:00"},
        "startedAt": {"S": "2026-01-02T11:59:59.750+00:00"},
        "receiveCount": {"N": "2"},
        "messageId": {"S": "message-1"},
        "worker": {"S": "worker-1"},
        "version": {"S": "0123456789ab"},
    }
    assert row("inbox#api#key").keys() & set(TIMELINE) == {"at"}


def test_fields_that_a_newer_version_adds_to_an_attempt_are_ignored(dynamodb, table):
    store = DynamoStore(dynamodb, table)
    dynamodb.put_item(
        TableName=table,
        Item={
            "pk": {"S": "attempts#message-1"},
            "delivery-2": {"M": {"at": {"S": "today"}, "stack": {"S": "..."}}},
            "severity": {"N": "3"},
        },
    )
    assert store.attempts("message-1") == AttemptLog((Attempt(2, "today", "", ""),))


def test_unknown_attributes_survive_a_rewrite(dynamodb, table, row):
    foreign = {"tags": {"SS": ["a", "b"]}, "raw": {"B": b"\x00"}, "expires": {"N": "4e9"}}
    item = {"pk": {"S": "order#1"}, "version": {"N": "7"}, "state": {"S": "pending"}, **foreign}
    dynamodb.put_item(TableName=table, Item=item)
    store = DynamoStore(dynamodb, table)
    tx = store.begin(CAUSE.key)
    assert tx.get("order#1")["state"] == "pending"
    tx.put("order#1", {"state": "confirmed"})
    store.commit(tx, ())

    found = row("order#1")
    assert (found["state"], found["version"]) == ({"S": "confirmed"}, {"N": "8"})
    assert (sorted(found["tags"]["SS"]), found["raw"]) == (["a", "b"], {"B": b"\x00"})
    assert float(found["expires"]["N"]) == 4e9


def test_only_a_table_with_an_outbox_gets_outbox_rows(dynamodb, table, row):
    plain = DynamoStore(dynamodb, table)
    plain.commit(plain.begin(CAUSE.key), (OUTCOME,))

    assert row(f"outbox#{OUTCOME.event_id}") is None


def test_a_published_row_stays_for_a_week(dynamodb, table, row):
    store = DynamoStore(dynamodb, table, outbox=True)
    store.commit(store.begin(CAUSE.key), (OUTCOME,))
    Outbox(dynamodb, table, clock=NOON.timestamp).mark_published_direct([OUTCOME.event_id])

    found = row(f"outbox#{OUTCOME.event_id}")
    assert found.keys() == {"pk", "body", "attributes", "publishedAt", "expires"}
    assert found["expires"] == {"N": str(int(NOON.timestamp()) + 7 * 86_400)}


def test_a_row_set_aside_has_a_reason(dynamodb, table, row):
    store, outbox = DynamoStore(dynamodb, table, outbox=True), Outbox(dynamodb, table)
    store.commit(store.begin(CAUSE.key), (OUTCOME,))
    shard = int(row(f"outbox#{OUTCOME.event_id}")["outboxShard"]["S"])
    lease = OutboxLeases(dynamodb, table).take(shard, "relay-1", None)
    outbox.set_aside(lease, OUTCOME.event_id, "too large")

    assert row(f"outbox#{OUTCOME.event_id}")["stuckReason"] == {"S": "too large"}


def test_a_dead_letter_arrives_with_its_reason(sqs_queues):
    failure = Failure("naïve \x00 ☃", "malformed", 2)
    sqs_queues.queue.dead_letter(a_message('{"half": ', id="message-7"), failure)

    (dead,) = sqs_queues.dead()
    attributes = {name: a["StringValue"] for name, a in dead["MessageAttributes"].items()}
    assert dead["Body"] == '{"half": '
    assert attributes["failure.first_at"] == attributes["failure.at"]
    assert time.time() - 60 < _epoch(attributes.pop("failure.first_at")) < time.time() + 60
    del attributes["failure.at"]
    assert attributes == {
        "failure.reason": "naïve \ufffd ☃",
        "failure.type": "malformed",
        "failure.attempts": "2",
        "failure.redrives": "0",
        "source.messageId": "message-7",
    }


def test_a_worker_receives_only_the_attributes_of_dead_letters(sqs_queues):
    """The topic's own attributes would cost bytes in each response."""
    names = ("eventType", "source", "failure.type", "failures", "source.messageId")
    sqs_queues.send("body", {n: {"DataType": "String", "StringValue": n} for n in names})

    (message,) = sqs_queues.queue.receive(10, 0)

    assert message.attributes.keys() - {"failures"} == {"failure.type", "source.messageId"}


def test_the_largest_message_can_be_dead_lettered(sqs_queues):
    body = "x" * MAX_MESSAGE_BYTES
    sqs_queues.queue.dead_letter(a_message(body), Failure("too large", "malformed", 1))

    assert sqs_queues.dead_bodies() == [body]


def test_the_depth_of_a_queue_counts_waiting_and_in_flight_messages(sqs_queues):
    for body in ("1", "2", "3"):
        sqs_queues.send(body)
    sqs_queues.queue.receive(1, 0)

    found = depth(sqs_queues.client, sqs_queues.queue.url)

    assert (found.visible, found.in_flight, found.delayed) == (2, 1, 0)


def test_subscribers_get_the_attributes_they_filter_by(sns_topics):
    sns_topics.topic.publish([OUTCOME])

    (message,) = sns_topics.messages()
    attributes = {name: a["StringValue"] for name, a in message["MessageAttributes"].items()}
    assert attributes == {
        "eventType": "payment.completed",
        "eventVersion": "1.1",
        "source": "payment",
        "eventId": OUTCOME.event_id,
        "correlationId": CAUSE.event_id,
    }


def test_a_deleted_queue_is_fatal(clients):
    control = clients.control()
    url = control.create_queue(QueueName="soon-gone")["QueueUrl"]
    control.delete_queue(QueueUrl=url)
    queue = SqsQueue(clients.poll(), clients.settle(), url, url, "payment", 60)

    with pytest.raises(FatalError):
        queue.receive(10, 0)
    with pytest.raises(FatalError):
        queue.dead_letter(a_message(), Failure("no", "malformed", 1))


def test_a_deleted_topic_is_an_outage(clients):
    topic = SnsTopic(clients.sns(), "arn:aws:sns:eu-west-1:123456789012:gone")

    assert isinstance(topic.publish([Encoded.of(CAUSE)])[0], Unavailable)


def test_a_deleted_table_is_fatal(dynamodb):
    store = DynamoStore(dynamodb, "gone")

    with pytest.raises(FatalError):
        store.recall(CAUSE.key)
    with pytest.raises(FatalError):
        store.commit(store.begin(CAUSE.key), ())
    with pytest.raises(FatalError):
        store.record_attempt("message-1", ATTEMPT, returned=False)
    with pytest.raises(FatalError):
        store.attempts("message-1")
    with pytest.raises(FatalError):
        store.excuse_attempt("message-1", 1, returned=True)


def test_resources_in_the_map_are_found_by_name(clients, dynamodb, table, sns_topics):
    prefix = "staging-"
    clients.control().create_queue(QueueName=f"{prefix}payment-queue")
    clients.control().create_queue(QueueName=f"{prefix}payment-queue-dlq")
    settings = Settings(name_prefix=prefix)
    topic = sns_topics.topic

    url = names.queue_url(clients.control(), settings, "payment")
    assert url.endswith(f"/{prefix}payment-queue")
    dlq_url = names.dlq_url(clients.control(), settings, "payment")
    assert dlq_url.endswith(f"/{prefix}payment-queue-dlq")
    assert names.table_name(dynamodb, Settings(), table) == table
    arn = names.topic_arn(clients.sns(), Settings(), topic.arn.rpartition(":")[2])
    assert arn == topic.arn


def test_missing_resources_are_fatal(clients, dynamodb):
    settings = Settings(name_prefix="nowhere-")

    with pytest.raises(FatalError, match="nowhere-payment-queue does not exist"):
        names.queue_url(clients.control(), settings, "payment")
    with pytest.raises(FatalError, match="nowhere-order-events does not exist"):
        names.topic_arn(clients.sns(), settings, "order-events")
    with pytest.raises(FatalError, match="nowhere-payment does not exist"):
        names.table_name(dynamodb, settings, "payment")


def test_the_ledger_has_each_key_once_and_counts_its_requests(dynamodb, table):
    gateway = SimulatedGateway(dynamodb, table)
    for _ in range(3):
        gateway.charge("order-1", Decimal("24.60"), "EUR", idempotency_key="charge-order-1")
    gateway.charge("order-2", Decimal(5), "EUR", idempotency_key="charge-order-2")
    gateway.refund("charge-order-1", idempotency_key="refund-order-1")

    entries = {entry.key: entry for entry in gateway.ledger()}
    charges = Counter(e.order_id for e in entries.values() if e.kind == CHARGE)
    assert charges == {"order-1": 1, "order-2": 1}
    assert entries["charge-order-1"].requests == 3
    assert entries["charge-order-1"].amount == Decimal("24.60")
    refund = entries["refund-order-1"]
    assert (refund.kind, refund.order_id, refund.amount) == (REFUND, "order-1", Decimal("24.60"))


def test_the_ledger_keeps_every_key(dynamodb, table):
    """Time to live would delete a row with ``expires``, and a charge could be repeated."""
    gateway = SimulatedGateway(dynamodb, table)
    gateway.charge("order-1", Decimal("24.60"), "EUR", idempotency_key="charge-order-1")
    gateway.refund("charge-order-1", idempotency_key="refund-order-1")
    gateway.refund("charge-order-2", idempotency_key="refund-order-2")

    rows = dynamodb.scan(TableName=table)["Items"]
    assert {row["pk"]["S"] for row in rows} == {
        "ledger#charge-order-1",
        "ledger#refund-order-1",
        "ledger#charge-order-2",
    }
    assert [row["pk"]["S"] for row in rows if "expires" in row] == []


def test_a_mail_from_a_verified_sender_is_sent(clients):
    ses = clients.ses()
    ses.verify_email_identity(EmailAddress="shop@example.com")
    before = _mails_sent(clients)

    SesMailer(ses, "shop@example.com").send(
        "ada@example.com", "Thank you ☃", "Your order…", reference="event:1"
    )

    assert _mails_sent(clients) == before + 1


def test_an_unverified_sender_is_an_outage_without_the_customers_address(clients):
    mailer = SesMailer(clients.ses(), "ada@unverified.example.com")

    with pytest.raises(Unavailable) as raised:
        mailer.send("ada@unverified.example.com", "Hello", "Hello", reference="event-1")

    assert "ada@unverified.example.com" not in str(raised.value)


def _mails_sent(clients):
    return clients.session.client("ses").get_send_quota()["SentLast24Hours"]


def _epoch(text):
    return type(NOON).fromisoformat(text).timestamp()
