"""Every failed attempt leaves a record, and no message suffers for it."""

import json
import threading

import pytest
import structlog
from structlog.testing import capture_logs
from support.builders import an_envelope, an_order
from support.harness import VISIBILITY, Harness, Service

from workers.events import decode
from workers.runtime.dead_letter import attributes_of
from workers.runtime.errors import Conflict, FatalError, PermanentError, TransientError, Unavailable
from workers.runtime.failures import PAUSE
from workers.runtime.ports import Attempt

KEY = "order-api#event-order-1"
DOWN = Unavailable("dynamodb: no answer", dependency="dynamodb")


class Killed(BaseException):
    """The process is killed at this point."""


def raising(*errors):
    """Raise the errors in turn, the last one from then on."""
    left = list(errors)

    def act(_order):
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return act


def failing(*errors, **options):
    worker = Harness(Service(raising(*errors)), **options)
    worker.send("order-1")
    return worker


def failures(worker, key=KEY):
    return worker.store.failures(key).attempts


def told(worker, key=KEY):
    return [(f.attempt, f.receive_count, f.type, f.outcome) for f in failures(worker, key)]


def test_every_attempt_until_the_dead_letter_is_on_record():
    worker = failing(TransientError("busy"), ValueError("a bug of ada@example.com"))

    worker.run_dry()

    assert told(worker) == [
        (1, 1, "transient", "retried"),
        (2, 2, "ValueError", "retried"),
        (3, 3, "ValueError", "dead_lettered"),
    ]
    log = worker.store.failures(KEY)
    assert (log.about.event_type, log.about.subject) == ("order.created", {"orderId": "order-1"})
    assert log.first_at == log.attempts[0].at
    assert {f.reason for f in log.attempts} == {"busy", "a bug of [e-mail]"}
    assert {(f.worker, f.version) for f in log.attempts} == {("worker-1", "version-1")}
    assert log.attempts[1].stack == log.attempts[2].stack != log.attempts[0].stack


def test_a_dead_letter_leads_to_its_record():
    worker = failing(ValueError("a bug"))

    worker.run_dry()

    (letter,) = worker.queue.dead_letters
    assert letter.failure.key == KEY
    assert letter.failure.stack == failures(worker)[-1].stack
    assert letter.attributes["failure.key"] == KEY


def test_an_event_that_is_handled_leaves_none():
    worker = failing(None)
    worker.run_dry()

    assert worker.store.failure_logs == {}
    assert worker.store.calls["record_failure"] == 0


def test_a_failure_that_is_overcome_stays_on_record():
    worker = failing(ValueError("a bug"), None)
    worker.run_dry()

    assert worker.effects() == 1
    assert told(worker) == [(1, 1, "ValueError", "retried")]


@pytest.mark.parametrize("error", [DOWN, FatalError("access denied"), Conflict("busy")])
def test_an_outage_is_no_attempt_and_leaves_none(error):
    worker = failing(*[error] * 300, None)
    worker.run_dry(rounds=400)

    assert worker.effects() == 1
    assert worker.store.failure_logs == {}


@pytest.mark.parametrize("error", [PermanentError("no such item"), TypeError("a bug")])
def test_one_attempt_is_one_write(error):
    worker = failing(error)
    worker.round()

    assert worker.store.calls["record_failure"] == 1


def test_an_unreadable_body_is_on_record_under_its_first_message_over_redrives():
    worker = Harness()
    worker.queue.send("not JSON")
    for _ in range(3):
        worker.run_dry()
        worker.queue.redrive()
        worker.clock.advance(3_600)
    worker.run_dry()

    found = failures(worker, "message#message-1")
    assert [f.message_id for f in found] == [f"message-{n}" for n in range(1, 5)]
    assert {(f.type, f.outcome, f.attempt) for f in found} == {("malformed", "dead_lettered", 1)}
    (letter,) = worker.queue.dead_letters
    assert letter.failure.attempts == 1
    assert letter.attributes["failure.redrives"] == "3"
    assert letter.attributes["source.messageId"] == "message-1"
    assert letter.attributes["failure.first_at"][:19] == found[0].at[:19]


def test_a_redriven_event_continues_its_record():
    worker = failing(ValueError("a bug"))
    worker.run_dry()
    worker.queue.redrive()
    worker.run_dry()

    assert [(f.message_id, f.attempt) for f in failures(worker)] == [
        ("message-1", 1),
        ("message-1", 2),
        ("message-1", 3),
        ("message-2", 1),
        ("message-2", 2),
        ("message-2", 3),
    ]


def kill(worker, times):
    """Let the message kill its worker, until it is dead-lettered."""
    for _ in range(times):
        try:
            worker.run_dry(pause=VISIBILITY)
        except Killed:
            worker.clock.advance(2 * VISIBILITY)
            worker = worker.restart()
        else:
            return worker
    raise AssertionError("it does not end")


def test_a_message_that_ends_its_workers_has_each_end_on_record():
    worker = kill(failing(Killed()), 6)

    assert told(worker) == [
        (0, 1, "worker_ended", "returned"),
        (1, 2, "worker_ended", "returned"),
        (2, 3, "worker_ended", "returned"),
        (3, 4, "worker_ended", "dead_lettered"),
    ]
    (letter,) = worker.queue.dead_letters
    assert (letter.failure.type, letter.failure.key) == ("worker_ended", KEY)


def test_a_body_that_ends_the_decoder_is_recorded_without_decoding_it():
    def decoder(body):
        if "bomb" in body:
            raise Killed
        return decode(body)

    worker = Harness(decode=decoder)
    worker.queue.send("a bomb")
    worker = kill(worker, 6)

    ends = {f.type for f in failures(worker, "message#message-1")}
    assert ends == {"worker_ended"}


def test_a_message_that_was_handed_back_is_no_failure():
    worker = failing(None)
    worker.receive()
    worker.admission.excuse(worker.next_lease(), ended=False)
    worker.queue.redeliver("message-1")

    worker.restart().run_dry()

    assert worker.store.failure_logs == {}


def test_an_excused_suspect_does_not_count_as_an_end():
    """Its worker died once; then an outage, not another death, sent it back."""
    worker = failing(None)
    worker.queue.received_before("message-1", 3)
    worker.store.record_attempt("message-1", Attempt(1, "", "worker-0", ""), returned=False)

    worker.run_dry()

    assert failures(worker) == ()


def test_a_hung_handler_is_on_record_once():
    worker = failing(None, handler_timeout=100)
    worker.service.act = lambda _order: worker.tick(200)
    worker.receive()
    lease = worker.next_lease()
    worker.consumer.consume(lease)
    for thread in [t for t in threading.enumerate() if t.name == "hung"]:
        thread.join()

    assert told(worker) == [(1, 1, "handler_timeout", "returned")]


def test_a_lost_lease_is_on_record():
    worker = failing(None)
    worker.service.act = lambda _order: worker.leases.lose(worker.unsettled()[0], "expired")
    worker.round()

    assert told(worker) == [(0, 1, "lease_lost", "returned")]


def test_a_lease_lost_after_the_effect_was_committed_is_no_failure():
    worker = failing(None)
    publish = worker.topic.publish

    def lose(events):
        worker.leases.lose(worker.unsettled()[0], "expired")
        return publish(events)

    worker.topic.publish = lose
    worker.round()

    assert worker.effects() == 1
    assert worker.store.failure_logs == {}


def test_a_handler_that_ends_its_thread_is_on_record():
    worker = failing(Killed("out of memory"))
    worker.receive()
    lease = worker.next_lease()
    with pytest.raises(Killed) as raised:
        worker.consumer.consume(lease)
    worker.admission.broken(lease, raised.value)
    worker.admission.excuse_all([lease]).join()

    assert told(worker) == [(1, 1, "Killed", "returned")]


@pytest.mark.parametrize("error", [DOWN, PermanentError("dynamodb: no"), RuntimeError("a bug")])
def test_a_record_that_cannot_be_written_costs_no_message(error):
    worker = failing(PermanentError("no such item"))
    worker.store.fail_next("record_failure", error, times=100)
    with capture_logs() as lines:
        worker.round()

    assert len(worker.queue) == 0
    assert len(worker.queue.dead_letters) == 1
    assert worker.sample("failures_not_recorded_total") == 1
    (line,) = [line for line in lines if line["event"] == "failure.not_recorded"]
    assert (line["orderId"], line["messageId"]) == ("order-1", "message-1")


def test_a_table_that_hangs_costs_one_timeout_and_not_one_for_each_message():
    worker = Harness(Service(raising(PermanentError("no"))), concurrency=40)
    worker.store.fail_next("record_failure", DOWN, times=1)
    worker.send(*[f"order-{n}" for n in range(40)])
    for _ in range(4):
        worker.round()

    assert worker.store.calls["record_failure"] == 1
    assert len(worker.queue.dead_letters) == 40
    worker.clock.advance(PAUSE)
    worker.send("order-1")
    worker.round()
    assert worker.store.calls["record_failure"] == 2
    assert len(failures(worker)) == 1


def test_the_record_is_written_after_the_settlement():
    worker = failing(PermanentError("no"))
    record, seen = worker.store.record_failure, []

    def watch(*args, **options):
        seen.append((len(worker.queue.dead_letters), worker.acks.backlog))
        return record(*args, **options)

    worker.store.record_failure = watch
    worker.round()

    assert seen == [(1, 1)]


def test_a_body_at_the_size_limit_is_recorded_by_its_message():
    worker = Harness()
    worker.queue.send("x" * 1_048_576)
    worker.run_dry()

    assert told(worker, "message#message-1") == [(1, 1, "malformed", "dead_lettered")]


def test_a_redriven_message_of_the_previous_version_is_recorded():
    worker = Harness()
    sent = {"failure.type": "malformed", "failure.at": "2026-01-01", "source.messageId": "old-1"}
    worker.queue.send("not JSON", attributes=sent)
    worker.run_dry()

    (letter,) = worker.queue.dead_letters
    again = attributes_of(letter.message, letter.failure, "2026-01-09")
    assert again["failure.first_at"] == "2026-01-01"
    assert told(worker, "message#old-1") == [(1, 1, "malformed", "dead_lettered")]


def test_a_line_about_a_dead_letter_that_cannot_be_sent_names_the_event():
    worker = failing(PermanentError("no"))
    worker.queue.fail_next("dead_letter", Unavailable("sqs: no", dependency="sqs"))
    with capture_logs() as lines:
        worker.round()

    (line,) = [line for line in lines if line["event"] == "dead_letter.postponed"]
    assert line["eventId"] == "event-order-1"
    assert told(worker) == [(1, 1, "permanent", "retried")]


def test_every_line_during_the_handling_has_the_fields_of_the_event(logged_lines):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    worker = Harness(Service(lambda _order: structlog.get_logger().warning("charge.slow")))
    body = an_envelope(an_order(), event_id="event-1", traceparent=trace).encode()
    worker.queue.send(body)
    worker.round()

    lines = map(json.loads, logged_lines().splitlines())
    (line,) = [line for line in lines if line["event"] == "charge.slow"]
    assert {
        "eventId": "event-1",
        "eventType": "order.created",
        "correlationId": "event-1",
        "orderId": "order-1",
        "source": "order-api",
        "messageId": "message-1",
        "traceId": trace[3:35],
    }.items() <= line.items()
