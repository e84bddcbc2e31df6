"""Events that do not fit into a message: stored in S3, carried by reference, read once per try."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from support.builders import NOON, a_message
from support.fakes import FakePayloads
from support.harness import Harness
from support.reports import (
    HOUR,
    LARGE,
    Reviewed,
    Reviews,
    a_cause,
    a_worker,
    at,
    decode,
    stored,
)

from workers.envelope import MAX_BODY_BYTES, Encoded, EnvelopeError
from workers.pointer import (
    CLASS,
    LEGACY_CLASSES,
    SIZE,
    Named,
    Pointer,
    is_reference,
    pointer_in,
    pointer_or_none,
)
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.payloads import (
    EXPIRY_DAYS,
    MAX_PAYLOAD_BYTES,
    ROW_BYTES,
    LargeEvents,
    PayloadExpired,
)

DOWN = Unavailable("s3: SlowDown", dependency="s3")
DENIED = FatalError("s3: AccessDenied")


@pytest.fixture
def payloads():
    return FakePayloads()


@pytest.fixture
def worker(payloads):
    return a_worker(payloads)


def dead(worker):
    return [(letter.failure.type, letter.failure.reason) for letter in worker.queue.dead_letters]


def test_a_large_outcome_is_stored_and_published_as_a_reference(worker, payloads):
    worker.queue.send(stored(payloads, a_cause(LARGE)))
    worker.round()

    [sent] = worker.topic.sent
    pointer = pointer_in(sent.body)
    raw = payloads.objects[pointer.key]
    outcome = decode(raw.decode(), limit=MAX_PAYLOAD_BYTES)
    assert outcome.data == Reviewed(report_id="report-1", text=LARGE)
    assert pointer.bucket == payloads.bucket
    assert pointer.named == Named.of(outcome, raw)
    assert sent.attributes == {**Encoded.of(outcome).attributes, SIZE: str(len(raw))}
    assert sent.event_id == outcome.event_id
    assert worker.effects("report-1") == 1
    assert worker.queue.dead_letters == []


def test_the_inbox_row_holds_the_reference_and_a_duplicate_publishes_it_again(worker, payloads):
    body = stored(payloads, a_cause(LARGE))
    worker.queue.send(body)
    worker.round()
    worker.queue.send(body)
    worker.round()

    [record] = worker.store.records.values()
    assert [is_reference(outcome.body) for outcome in record.outcomes] == [True]
    first, second = worker.topic.sent
    assert first == second
    assert worker.effects("report-1") == 1
    assert payloads.objects[pointer_in(first.body).key]


def test_small_events_never_touch_the_bucket(worker, payloads):
    worker.queue.send(a_cause().encode())
    worker.round()

    [sent] = worker.topic.sent
    assert decode(sent.body).data == Reviewed(report_id="report-1", text="short")
    assert payloads.calls == {}


def test_an_event_of_the_greatest_size_is_sent_as_it_is(payloads):
    large = LargeEvents(payloads, decode, at(0).now)
    room = MAX_BODY_BYTES - len(a_cause("").encode())
    fits, not_fits = a_cause("x" * room), a_cause("x" * (room + 1))

    assert large.carry([fits], [Encoded.of(fits)]) == (Encoded.of(fits),)
    assert is_reference(large.carry([not_fits], [Encoded.of(not_fits)])[0].body)


def test_bytes_decide_and_not_characters(payloads):
    snow = a_cause("☃" * (MAX_BODY_BYTES // 3 + 1))
    [event] = LargeEvents(payloads, decode, at(0).now).carry([snow], [Encoded.of(snow)])
    assert is_reference(event.body)


def test_outcomes_that_fit_a_message_each_but_not_a_row_together_are_references(payloads):
    worker = a_worker(payloads, count=3)
    worker.queue.send(a_cause("x" * 150_000).encode())
    worker.round()

    [record] = worker.store.records.values()
    assert sum(len(outcome.body.encode()) for outcome in record.outcomes) < ROW_BYTES
    assert len(payloads.objects) == len(worker.topic.sent) == 3


def test_an_outcome_that_no_reader_would_accept_is_refused_before_anything_is_stored(payloads):
    huge = a_cause("x" * MAX_PAYLOAD_BYTES)
    with pytest.raises(PermanentError, match="the limit of a stored event is 2097152"):
        LargeEvents(payloads, decode, at(0).now).carry([huge], [Encoded.of(huge)])
    assert payloads.objects == {}


def test_the_log_line_names_the_event_behind_a_reference(worker, payloads):
    worker.queue.send(stored(payloads, a_cause(LARGE)))
    with capture_logs() as lines:
        worker.round()
    [line] = [line for line in lines if line["event"] == "message.settled"]
    assert (line["outcome"], line["eventId"], line["reportId"]) == (
        "handled",
        "event-1",
        "report-1",
    )


@pytest.mark.parametrize("kind", [CLASS, *LEGACY_CLASSES])
def test_references_of_every_version_of_the_libraries_are_read(worker, payloads, kind):
    """Their keys are random; ``json.dumps`` of Python and Jackson differ in white space."""
    payloads.put("4c4bd8b4", a_cause(LARGE).encode().encode())
    places = f'"s3BucketName":"{payloads.bucket}","s3Key":"4c4bd8b4"'
    worker.queue.send(f'["{kind}",{{{places}}}]')
    worker.round()
    assert worker.effects("report-1") == 1


# --- a missing object -----------------------------------------------------------------


@pytest.mark.parametrize("error", [None, DENIED], ids=["404", "403, as without s3:ListBucket"])
@pytest.mark.parametrize("days", [0, EXPIRY_DAYS])
def test_an_object_that_is_missing_before_its_time_is_an_outage(payloads, days, error):
    clock = at(days)
    worker = a_worker(payloads, clock)
    body = stored(payloads, a_cause(LARGE))
    kept = dict(payloads.objects)
    payloads.objects.clear()
    worker.queue.send(body)
    if error:
        payloads.fail_next("get", error, times=1_000)
    until = clock() + 6 * HOUR
    while clock() < until:
        worker.round()
        clock.advance(60)
    assert worker.queue.dead_letters == []
    assert worker.attempts() == 0

    payloads.forget_faults()
    payloads.objects = kept
    worker.run_dry()
    assert worker.effects("report-1") == 1


@pytest.mark.parametrize("error", [None, DENIED], ids=["404", "403, as without s3:ListBucket"])
def test_an_object_that_is_missing_after_its_time_has_expired(payloads, error):
    worker = a_worker(payloads, at(EXPIRY_DAYS + 3))
    body = stored(payloads, a_cause(LARGE))
    payloads.objects.clear()
    worker.queue.send(body)
    if error:
        payloads.fail_next("get", error, times=1_000)
    worker.round()

    [(kind, reason)] = dead(worker)
    assert kind == "payload_expired"
    assert f"expire after {EXPIRY_DAYS} days" in reason
    [letter] = worker.queue.dead_letters
    assert letter.failure.key == "report#event-1"


def test_without_a_key_of_ours_the_age_of_the_message_counts(payloads):
    body = Pointer(payloads.bucket, "4c4bd8b4").text
    large = LargeEvents(payloads, decode, at(EXPIRY_DAYS + 3).now)
    with pytest.raises(PayloadExpired):
        large.read(a_message(body))
    young = (NOON + timedelta(days=3)).timestamp()
    with pytest.raises(Unavailable):
        large.read(a_message(body, sent_at=young))


def test_an_old_object_that_still_exists_is_read(payloads):
    worker = a_worker(payloads, at(EXPIRY_DAYS + 3))
    worker.queue.send(stored(payloads, a_cause(LARGE)))
    worker.round()
    assert worker.effects("report-1") == 1


# --- what is refused --------------------------------------------------------------------


def test_a_reference_to_another_bucket_is_not_followed(worker, payloads):
    worker.queue.send(Pointer("a-bucket-of-somebody-else", "key").text)
    worker.round()

    [(kind, reason)] = dead(worker)
    assert kind == "payload_refused"
    assert "a-bucket-of-somebody-else" in reason
    assert payloads.calls == {}


def test_an_object_that_is_too_large_is_not_read(worker, payloads):
    worker.queue.send(stored(payloads, a_cause("x" * MAX_PAYLOAD_BYTES)))
    worker.round()
    assert dead(worker) == [
        ("payload_refused", f"the body has more than {MAX_PAYLOAD_BYTES} bytes")
    ]


@pytest.mark.parametrize(
    "names",
    [
        {"event_id": "event-2"},
        {"source": "analytics"},
        {"event_type": "report.reviewed"},
        {"digest": "0" * 64},
    ],
    ids=str,
)
def test_an_object_must_be_the_event_that_its_key_names(worker, payloads, names):
    worker.queue.send(stored(payloads, a_cause(LARGE), **names))
    worker.round()
    [(kind, reason)] = dead(worker)
    assert (kind, reason) == (
        "payload_refused",
        "the stored body is not the event that its key names",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"[]",
        b"not JSON",
        # A reference to a reference is none.
        Pointer("payloads-of-tests", "key").text.encode(),
    ],
)
def test_an_object_that_is_no_event_is_malformed(worker, payloads, body):
    worker.queue.send(stored(payloads, a_cause(LARGE), body))
    worker.round()
    assert [kind for kind, _ in dead(worker)] == ["malformed"]


@pytest.mark.parametrize(
    "body",
    [
        "[",
        "[]",
        "[" * 4_000,
        '["x", {}]',
        f'["{CLASS}"]',
        f'["{CLASS}", {{"s3BucketName": "bucket"}}]',
        f'["{CLASS}", {{"s3BucketName": "bucket", "s3Key": 1}}]',
        f'["{CLASS}", {{"s3BucketName": "bucket", "s3Key": ""}}]',
        f'["{CLASS}", {{"s3BucketName": "bucket", "s3Key": "\\ud800"}}]',
        f'["{CLASS}", {{"s3BucketName": "bucket", "s3Key": "{"k" * 1_025}"}}]',
        f'["{CLASS}", {{"s3BucketName": "../x", "s3Key": "k"}}]',
        f'["{CLASS}", {{"s3BucketName": "b@example.com", "s3Key": "k"}}]',
        f'["{CLASS}", {{"s3BucketName": "bucket", "s3Key": "k"}}, 1]',
        '["java.lang.Runtime", {"s3BucketName": "bucket", "s3Key": "k"}]',
        "[" + " " * 9_000 + "]",
    ],
)
def test_an_array_that_is_no_reference_is_malformed_and_quoted_nowhere(worker, payloads, body):
    worker.queue.send(body)
    worker.round()
    [(kind, reason)] = dead(worker)
    assert kind == "malformed"
    assert "example.com" not in reason
    assert payloads.calls == {}
    assert pointer_or_none(body) is None


# --- outages ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "put"])
def test_an_hour_without_s3_dead_letters_nothing(payloads, method):
    clock = at(0)
    workers = [a_worker(payloads, clock)]
    workers += [workers[0].restart() for _ in range(3)]
    first = workers[0]
    causes = [a_cause(LARGE, event_id=f"event-{n}", report_id=f"report-{n}") for n in range(20)]
    for cause in causes:
        first.queue.send(stored(payloads, cause))
    payloads.fail_next(method, DOWN, times=100_000)
    until = clock() + HOUR
    while clock() < until:
        for worker in workers:
            worker.round()
        clock.advance(5)
    assert first.queue.dead_letters == []
    assert all(not log.attempts for log in first.store.attempt_logs.values())
    assert first.store.records == {}

    payloads.forget_faults()
    first.run_dry(200)
    assert [first.effects(f"report-{n}") for n in range(20)] == [1] * 20
    assert first.queue.dead_letters == []


def test_an_outage_of_s3_opens_the_breaker_of_s3(worker, payloads):
    for number in range(10):
        worker.queue.send(stored(payloads, a_cause(LARGE, event_id=f"event-{number}")))
    payloads.fail_next("get", DOWN, times=10_000)
    with capture_logs() as lines:
        worker.round()
    assert {line["dependency"] for line in lines if line["event"] == "breaker.opened"} == {"s3"}


def test_small_events_are_handled_while_s3_is_down(worker, payloads):
    payloads.fail_next("put", DOWN, times=10_000)
    payloads.fail_next("get", DOWN, times=10_000)
    worker.queue.send(a_cause().encode())
    worker.round()
    assert worker.effects("report-1") == 1


# --- two versions, and a switch that is off ---------------------------------------------


def test_a_version_that_knows_no_references_dead_letters_one_and_a_redrive_repairs_it(payloads):
    """Why consumers are deployed, or given their bucket, before producers."""
    old = a_worker()
    body = stored(payloads, a_cause(LARGE))
    old.queue.send(body)
    old.round()
    [letter] = old.queue.dead_letters
    assert (letter.failure.type, letter.message.body) == ("malformed", body)

    new = Harness(
        Reviews(),
        queue=old.queue,
        store=old.store,
        clock=old.clock,
        payloads=payloads,
        decode=decode,
    )
    new.queue.redrive()
    new.run_dry()
    assert new.effects("report-1") == 1
    assert new.queue.dead_letters == []


def test_without_a_bucket_a_large_outcome_is_refused_as_before():
    """FakeTopic has SNS's limit; see also tests/contract/ports/test_topic.py."""
    worker = a_worker(count=2)
    worker.queue.send(a_cause("x" * 135_000).encode())
    worker.round()
    assert [is_reference(event.body) for event in worker.topic.sent] == [False, False]
    with pytest.raises(EnvelopeError, match="has 270"):
        decode(a_cause("x" * 270_000).encode())


def test_a_repeat_before_the_commit_leaves_the_committed_bytes_alone(payloads):
    """A worker that lost its lease stores what it decided, while another one commits."""
    large = LargeEvents(payloads, decode, at(0).now)
    mine, theirs = a_cause(LARGE), a_cause(LARGE, occurred_at=NOON + timedelta(seconds=1))
    [committed] = large.carry([mine], [Encoded.of(mine)])
    large.carry([theirs], [Encoded.of(theirs)])
    assert large.read(a_message(committed.body)) == mine
    again = dict(payloads.objects)
    large.carry([mine], [Encoded.of(mine)])
    assert payloads.objects == again


def test_a_key_of_the_longest_names_fits_into_s3():
    longest = a_cause(event_id="i" * 100, source="s" * 100)
    named = replace(Named.of(longest, b""), event_type="t" * 100)
    pointer = Pointer("b" * 63, named.key)
    assert pointer_in(pointer.text) == pointer
    assert pointer.named == named
    assert json.loads(pointer.text)[0] == CLASS


@pytest.mark.parametrize("key", ["4c4bd8b4", "2026-02-30/a/b/c/" + "0" * 64, "a/b/c/d/e"])
def test_a_key_of_somebody_else_names_no_event(key):
    assert Pointer("bucket", key).named is None
