"""Metrics that exist before anything happens, with the labels that alarms and panels use."""

import pytest
from support.harness import Harness

from workers.runtime.observability.telemetry import DEPENDENCIES, UNKNOWN, Telemetry


def samples(telemetry, name):
    return [
        (sample.labels, sample.value)
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == name
    ]


@pytest.mark.parametrize(
    "name",
    [
        "messaging_breaker_open",
        "messaging_failures_not_recorded_total",
        "messaging_lease_renewals_total",
        "messaging_leases_lost_total",
        "messaging_permits_held",
        "messaging_process_stalls_total",
        "messaging_receive_errors_total",
        "messaging_settlement_failures_total",
        "messaging_settlements_total",
    ],
)
def test_what_has_not_happened_yet_has_a_sample_of_zero(name):
    telemetry = Telemetry("payment-queue", service="payment", event_types={"order.created"})

    found = samples(telemetry, name)

    assert found
    assert {value for _, value in found} == {0}


def test_dead_letters_of_every_consumed_type_are_counted_from_zero():
    telemetry = Telemetry("payment-queue", service="payment", event_types={"a.b", "c.d"})

    dead = [
        labels["event_type"]
        for labels, _ in samples(telemetry, "messaging_settlements_total")
        if labels["settlement"] == "dead_letter"
    ]
    assert sorted(dead) == ["a.b", "c.d", UNKNOWN]


def test_every_metric_of_messages_names_the_service():
    worker = Harness()
    worker.send("order-1")
    worker.round()

    for metric in worker.telemetry.registry.collect():
        for sample in metric.samples:
            if metric.name.startswith("messaging_"):
                assert sample.labels["service"] == "payment", sample


def test_the_number_of_slots_is_known():
    assert Harness(concurrency=7).sample("handler_slots") == 7


def test_a_breaker_that_never_opened_is_closed():
    worker = Harness()

    assert [worker.sample("breaker_open", dependency=name) for name in DEPENDENCIES] == [0] * 5
