"""Once a minute one log line says what CloudWatch's alarms need to know."""

import json

import pytest
from prometheus_client import CollectorRegistry
from support import emf
from support.fakes import FakeClock
from support.fakes.clock import START

from workers.relay import metrics as relay_metrics
from workers.relay.metrics import RelayMetrics
from workers.runtime.observability import telemetry
from workers.runtime.observability.distribution import MAX_VALUES
from workers.runtime.observability.emf import EVERY, MetricLines
from workers.runtime.observability.telemetry import Telemetry

CLOUDWATCH_METRICS = (*telemetry.CLOUDWATCH_METRICS, *relay_metrics.CLOUDWATCH_METRICS)
NOTHING = {
    "MessagesProcessed": 0,
    "MessagesFailed": 0,
    "DeadLettered": 0,
    "BreakerOpen": 0,
    "Paused": 0,
}


@pytest.fixture
def lines(logged_lines):
    """Give every line so far: what each metric has."""

    def lines():
        read = [json.loads(line) for line in logged_lines().splitlines()]
        return [emf.numbers(line) for line in read]

    return lines


@pytest.fixture
def worker():
    return Telemetry("payment-queue")


@pytest.fixture
def written(worker):
    return lines_of(worker.registry)


def lines_of(registry):
    return MetricLines(
        registry,
        CLOUDWATCH_METRICS,
        namespace="Shop",
        environment="staging",
        service="payment",
        now=FakeClock(),
    )


def settle(worker, settlement, outcome="handled", event_type="order.created"):
    worker.settled(event_type, settlement, outcome, duration=0.1, critical=0.2)


def test_the_line_is_one_that_cloudwatch_takes_metrics_from(logged_lines, worker, written):
    settle(worker, "delete")

    written.write()

    line = json.loads(logged_lines())
    assert line["_aws"]["Timestamp"] == START * 1_000
    where = ("Shop", (("Environment", "staging"), ("Service", "payment")))
    found = emf.metrics(line)
    assert {key[:2] for key in found} == {where}
    assert emf.numbers(line) == NOTHING | {"MessagesProcessed": 1}


def test_a_worker_that_did_nothing_says_so(lines, written):
    written.write()

    assert lines() == [NOTHING]


def test_every_delivery_is_either_processed_or_failed(lines, worker, written):
    for outcome in ("handled", "repeated", "ignored"):
        settle(worker, "delete", outcome)
    settle(worker, "delete", event_type="order.cancelled")
    settle(worker, "retry", "retried")
    settle(worker, "dead_letter", "dead_lettered")
    settle(worker, "none", "redelivered")

    written.write()

    assert lines() == [NOTHING | {"MessagesProcessed": 4, "MessagesFailed": 3, "DeadLettered": 1}]


def test_a_line_tells_what_was_added_since_the_last_one(lines, worker, written):
    settle(worker, "delete")
    settle(worker, "delete")
    written.write()
    settle(worker, "delete")
    written.write()
    written.write()

    assert [line["MessagesProcessed"] for line in lines()] == [2, 1, 0]


def test_one_open_breaker_is_enough(lines, worker, written):
    worker.breaker_open("dynamodb").set(0)
    worker.breaker_open("gateway").set(1)
    written.write()
    worker.breaker_open("gateway").set(0)
    written.write()

    assert [line["BreakerOpen"] for line in lines()] == [1, 0]


def test_there_is_a_line_a_minute(lines, written):
    clock, ticks = FakeClock(0), iter(range(3))

    def sleep(seconds):
        clock.advance(seconds)
        next(ticks)

    with pytest.raises(StopIteration):
        written.run(sleep)

    assert (len(lines()), clock()) == (3, 4 * EVERY)


@pytest.mark.parametrize("logged_lines", ["error"], indirect=True)
def test_the_log_level_does_not_switch_the_alarms_off(lines, written):
    written.write()

    assert lines() == [NOTHING]


def test_of_the_shards_of_an_outbox_the_oldest_counts(lines):
    registry = CollectorRegistry()
    relay = RelayMetrics(registry)
    relay.oldest.labels(0).set(1.23456)
    relay.oldest.labels(1).set(0)
    relay.stuck.set(2)

    lines_of(registry).write()

    assert lines() == [{"OutboxAge": 1.235, "OutboxSetAside": 2}]


def test_an_outbox_that_nobody_looked_at_has_no_age(lines):
    registry = CollectorRegistry()
    RelayMetrics(registry)

    lines_of(registry).write()

    assert lines() == [{"OutboxSetAside": 0}]


def test_where_nothing_is_measured_there_is_no_line(logged_lines):
    lines_of(CollectorRegistry()).write()

    assert logged_lines() == ""


def distributions(logged_lines):
    read = [json.loads(line) for line in logged_lines().splitlines()]
    return [
        {key[2]: value for key, value in emf.metrics(line).items() if isinstance(value, dict)}
        for line in read
    ]


def test_a_histogram_becomes_the_middles_of_its_buckets_with_their_counts(
    logged_lines, worker, written
):
    for seconds in (0.011, 0.012, 0.3, 7_200):
        worker.queue_age.observe(seconds)

    written.write()

    (line,) = distributions(logged_lines)
    assert line == {
        "QueueAge": {
            "Values": [0.0175, 0.375, 3_600],  # of 10 to 25 ms, 250 to 500 ms, above an hour
            "Counts": [2, 1, 1],
            "Min": 0.0175,
            "Max": 3_600,
            "Count": 4,
            "Sum": 7_200.323,
        }
    }


def test_a_distribution_covers_all_event_types_and_only_the_time_since_the_last_line(
    logged_lines, worker, written
):
    settle(worker, "delete")
    settle(worker, "delete", event_type="order.cancelled")
    written.write()
    settle(worker, "retry", "retried")
    written.write()
    written.write()

    counts = [
        {name: value["Counts"] for name, value in line.items()}
        for line in distributions(logged_lines)
    ]
    assert counts == [
        {"ProcessingDuration": [2], "CriticalTime": [2]},
        {"ProcessingDuration": [1], "CriticalTime": [1]},
        {},
    ]


def test_no_histogram_has_more_buckets_than_a_line_may_have_values():
    assert len(telemetry.LONG_BUCKETS) + 1 <= MAX_VALUES
