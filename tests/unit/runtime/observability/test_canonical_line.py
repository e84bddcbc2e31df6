"""One line describes what happened to a message, with these fields and no others."""

import pytest
from structlog.testing import capture_logs
from support.builders import a_line, an_envelope, an_order
from support.harness import Harness, Service

from workers.runtime.errors import PermanentError, TransientError, Unavailable
from workers.runtime.observability import canonical_line

FIELDS = {"event", "log_level", "outcome", "durationMs", "receiveCount", "messageId"}
OF_EVENT = {"eventType", "eventId", "correlationId", "orderId", "source"}
OF_TROUBLE = {"errorType", "reason"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def told(act=None, body=None, rounds=1):
    """Run a message through a worker; return its last line and the worker."""
    worker = Harness(Service(act))
    if body is None:
        worker.send("order-1")
    else:
        worker.queue.send(body)
    with capture_logs() as lines:
        for _ in range(rounds):
            worker.round()
            worker.tick(3)
            worker.clock.advance(900)
    return [line for line in lines if line["event"] == "message.settled"], worker


def raising(error):
    def act(_order):
        raise error

    return act


def test_a_handled_message_is_one_line():
    (line,), _ = told()
    assert line == {
        "event": "message.settled",
        "log_level": "info",
        "outcome": "handled",
        "durationMs": 0.0,
        "receiveCount": 1,
        "messageId": "message-1",
        "eventType": "order.created",
        "eventId": "event-order-1",
        "correlationId": "event-1",
        "orderId": "order-1",
        "source": "order-api",
    }


def test_the_duration_is_that_of_the_handler():
    worker = Harness()
    worker.service.act = lambda _order: worker.clock.advance(1.2345)
    worker.send("order-1")
    with capture_logs() as lines:
        worker.round()
    assert lines[-1]["durationMs"] == 1234.5


def test_a_permanent_failure_names_its_reason():
    (line,), _ = told(raising(PermanentError("no such item")))
    assert line.keys() == FIELDS | OF_EVENT | OF_TROUBLE | {"attempts"}
    assert line["outcome"] == "dead_lettered"
    assert line["log_level"] == "warning"
    assert (line["errorType"], line["reason"]) == ("permanent", "no such item")


def test_a_failed_attempt_shows_its_number():
    lines, _ = told(raising(TransientError("broken")), rounds=3)
    assert all(line.keys() == FIELDS | OF_EVENT | OF_TROUBLE | {"attempts"} for line in lines)
    assert [(line["outcome"], line["attempts"], line["receiveCount"]) for line in lines] == [
        ("retried", 1, 1),
        ("retried", 2, 2),
        ("dead_lettered", 3, 3),
    ]


def test_a_bug_comes_with_its_stack():
    (line,), _ = told(raising(KeyError("sku")))
    assert line.keys() == FIELDS | OF_EVENT | OF_TROUBLE | {"attempts", "stack"}
    assert line["stack"].startswith("Traceback")
    assert line["stack"].endswith("KeyError: 'sku'\n")


def test_an_unreadable_message_is_logged_without_the_unknown_fields():
    (line,), _ = told(body="not JSON")
    assert line.keys() == FIELDS | OF_TROUBLE | {"attempts"}
    assert line["outcome"] == "dead_lettered"
    assert line["errorType"] == "malformed"


REFUSED = {
    "malformed": lambda body: body.replace("totalAmount", "total"),
    "unknown_type": lambda body: body.replace("order.created", "order.eaten"),
    "unsupported_version": lambda body: body.replace('"eventVersion":"1.', '"eventVersion":"9.'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_message_has_one_name_and_says_which_event_it_is(name):
    body = REFUSED[name](an_envelope(an_order(), event_id="event-7", traceparent=TRACE).encode())

    (line,), worker = told(body=body)

    (letter,) = worker.queue.dead_letters
    ((log, _),) = [(log, key) for key, log in worker.store.failure_logs.items()]
    assert line["errorType"] == name == letter.failure.type == log.attempts[0].type
    assert (line["eventId"], line["orderId"]) == ("event-7", "order-1")
    assert line["traceId"] == TRACE[3:35]
    assert line["eventType"] == ("order.eaten" if name == "unknown_type" else "order.created")
    label = "unknown" if name == "unknown_type" else "order.created"
    labels = {"event_type": label, "error_type": name, "outcome": "dead_lettered"}
    assert worker.sample("failed_attempts_total", **labels) == 1
    settled = {"settlement": "dead_letter", "outcome": "dead_lettered"}
    assert worker.sample("settlements_total", event_type=label, **settled) == 1


def test_strangers_cannot_add_labels():
    worker = Harness()
    for number in range(50):
        worker.queue.send(f'{{"eventType": "spam.{number}", "eventVersion": "1.0"}}')
    worker.run_dry()

    text = str([s.labels for m in worker.telemetry.registry.collect() for s in m.samples])
    assert "spam" not in text
    labels = {"event_type": "unknown", "settlement": "dead_letter", "outcome": "dead_lettered"}
    assert worker.sample("settlements_total", **labels) == 50


def test_a_redriven_message_names_its_first_delivery():
    worker = Harness(Service(raising(PermanentError("no such item"))))
    worker.send("order-1")
    worker.round()
    worker.queue.redrive()
    with capture_logs() as lines:
        worker.round()

    line = next(line for line in lines if line["event"] == "message.settled")
    assert (line["messageId"], line["firstMessageId"], line["redrives"]) == (
        "message-2",
        "message-1",
        1,
    )


def test_an_outage_that_ended_is_not_logged_as_an_error():
    errors = [Unavailable("no answer", dependency="sns")] * 5
    worker = Harness()
    for _ in range(4):
        worker.breakers.failed("sns", "no answer")

    def act(_order):
        if errors:
            raise errors.pop()

    worker.service.act = act
    worker.send("order-1")
    with capture_logs() as lines:
        worker.round()
    assert lines[-1]["outcome"] == "handled"
    assert "reason" not in lines[-1]


def test_a_message_whose_lease_was_lost_says_that_it_is_delivered_again():
    worker = Harness()

    def lose(_order):
        worker.leases.lose(worker.unsettled()[0], "expired")

    worker.service.act = lose
    worker.send("order-1")
    with capture_logs() as lines:
        worker.round()
    assert lines[-1]["outcome"] == "redelivered"
    assert lines[-1]["lease"] == "expired: SQS delivers the message again"
    assert (lines[-1]["errorType"], lines[-1]["reason"]) == ("lease_lost", "expired")


@pytest.mark.parametrize(
    ("act", "settlement", "outcome"),
    [
        (None, "delete", "handled"),
        (raising(TransientError()), "retry", "retried"),
        (raising(PermanentError()), "dead_letter", "dead_lettered"),
    ],
)
def test_metrics_agree_with_the_line(act, settlement, outcome):
    (line,), worker = told(act)
    labels = {"event_type": "order.created", "settlement": settlement, "outcome": outcome}
    assert line["outcome"] == outcome
    assert worker.sample("settlements_total", **labels) == 1


def test_the_age_in_the_queue_is_measured_on_first_deliveries_only():
    _, worker = told(raising(TransientError("broken")), rounds=3)
    assert worker.sample("queue_age_seconds_count") == 1
    assert worker.sample("critical_time_seconds_count") == 3


def test_a_message_from_a_clock_that_is_ahead_has_no_negative_age(monkeypatch):
    monkeypatch.setattr(canonical_line.time, "time", lambda: 0.0)
    _, worker = told()
    assert worker.sample("queue_age_seconds_sum") == 0
    assert worker.sample("critical_time_seconds_sum") == 0


def test_no_metric_carries_an_id():
    _, worker = told(raising(ValueError("order-1")))
    for metric in worker.telemetry.registry.collect():
        for sample in metric.samples:
            assert "order-1" not in str(sample.labels)


CANARY = "canary.o-brien+tag@secret-customer.example"


@pytest.mark.parametrize("error", [None, TransientError, PermanentError, ValueError, KeyError])
def test_a_customers_address_is_in_no_line_and_no_metric(logged_lines, error):
    def act(order):
        if error:
            raise error(f"cannot serve {order.customer_email}: {order!r}")

    worker = Harness(Service(act))
    order = an_order(customer_email=CANARY, items=(a_line(),))
    worker.queue.send(an_envelope(order).encode())
    worker.queue.send(an_envelope(order).encode().replace("totalAmount", CANARY))
    worker.queue.send(f'{{"eventType": "{CANARY}", "eventVersion": "1.0"}}')
    for _ in range(3):
        worker.round()
        worker.clock.advance(900)
    text = logged_lines()
    assert "message.settled" in text
    assert "canary" not in text
    assert "secret-customer" not in text
    assert all("canary" not in str(letter.failure) for letter in worker.queue.dead_letters)
    metrics = [s.labels for m in worker.telemetry.registry.collect() for s in m.samples]
    assert "canary" not in str(metrics)
