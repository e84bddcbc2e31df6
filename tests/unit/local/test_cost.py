"""The cost model counts requests, polls and tasks."""

import math
from dataclasses import replace

import pytest

from local.cost.model import billed, estimate, idle_polls, tasks_needed
from local.cost.price_list import Batched, Measured, Prices
from local.cost.task import Task

IRELAND = Prices.load("eu-west-1")
MEASURED = Measured(
    how="made up",
    date="2026-01-01",
    idle_polls_per_minute=3,
    receives=Batched(rate=100, per_message=0.5),
    deletes=Batched(rate=100, per_message=0.2),
    publishes=Batched(rate=100, per_message=1),
    reads=1,
    cpu_ms=0.01,  # low, so that slots decide how many tasks there are
)
TYPICAL = {
    "rate": 50,
    "handler_ms": 50,
    "payload_kib": 1,
    "concurrency": 10,
    "task": Task(),
    "measured": MEASURED,
    "prices": IRELAND,
}


def bill(**changes):
    return estimate(**(TYPICAL | changes))


def line(found, service, unit=None):
    return next(
        each for each in found.lines if each.service == service and unit in {None, each.unit}
    )


@pytest.mark.parametrize(
    ("batch", "kib", "requests_per_message"),
    [
        (1, 1, 1),
        (1, 64, 1),
        (1, 65, 2),
        (1, 256, 4),
        (10, 1, 0.1),
        (10, 6.4, 0.1),
        (10, 10, 0.2),
        (10, 64, 1),
        (1.5, 64, 1),  # half of the batches are one message, half two
    ],
)
def test_every_64_kib_of_a_batch_count_as_a_request(batch, kib, requests_per_message):
    assert billed(batch, kib) == pytest.approx(requests_per_message)


def test_an_idle_process_polls_three_times_a_minute():
    assert 60 * idle_polls(1e-9, 3) == pytest.approx(3)


def test_a_busy_process_has_no_empty_polls():
    assert idle_polls(1000, 3) == 0


def test_at_the_measured_rate_the_model_matches_the_measurement():
    sqs = line(bill(rate=100, handler_ms=10), "SQS")

    assert sqs.batched.per_million == pytest.approx(700_000)
    assert sqs.single.per_million == pytest.approx(1_500_000)


def test_under_load_a_message_costs_a_fifth_of_a_request():
    sqs = line(bill(rate=5000, handler_ms=1), "SQS")

    assert sqs.batched.per_million == pytest.approx(200_000)
    assert sqs.single.per_million == pytest.approx(1_100_000)


def test_rare_messages_are_not_batched():
    sqs = line(bill(rate=1), "SQS")

    assert sqs.batched.per_million == pytest.approx(2_000_000, rel=0.05)


def test_an_idle_month_costs_the_polls_and_one_task():
    idle = bill(rate=1e-6)

    polls = 3 * 60 * 730 * IRELAND.sqs_requests.dollars / 1e6
    task = 730 * (0.25 * 0.03238 + 0.5 * 0.00356)
    assert idle.tasks == 1
    assert idle.batched == pytest.approx(polls + task, rel=0.001)


@pytest.mark.parametrize(
    ("rate", "handler_ms", "tasks"),
    [(0.1, 1, 1), (140, 50, 1), (141, 50, 2), (1000, 50, 8), (1, 7000, 1), (1, 7001, 2)],
)
def test_tasks_keep_their_slots_busy_seven_tenths_of_the_time(rate, handler_ms, tasks):
    assert tasks_needed(rate, handler_ms, concurrency=10, cpu_ms=0.1, vcpu=1) == tasks


@pytest.mark.parametrize(("rate", "tasks"), [(56, 1), (57, 2), (113, 3)])
def test_tasks_keep_their_cpus_busy_seven_tenths_of_the_time(rate, tasks):
    assert tasks_needed(rate, 1, concurrency=10, cpu_ms=3.1, vcpu=0.25) == tasks


def test_a_transaction_writes_the_inbox_row_and_the_document_twice():
    writes = line(bill(), "DynamoDB", "write units")

    assert writes.batched.per_million == pytest.approx(4_000_000)
    assert writes.batched.dollars_per_million == pytest.approx(4 * 0.705)


def test_a_month_has_730_hours_of_messages():
    reads = line(bill(rate=2), "DynamoDB", "read units")

    assert reads.batched.dollars_per_month == pytest.approx(2 * 3600 * 730 * 0.1415 / 1e6)


def test_outcomes_of_one_batch_are_one_publish():
    together = MEASURED.model_copy(update={"publishes": Batched(rate=100, per_message=0.2)})

    apart = line(bill(rate=100, handler_ms=10), "SNS")
    joined = line(bill(rate=100, handler_ms=10, measured=together), "SNS")

    assert apart.batched.per_million == pytest.approx(1_000_000)
    assert joined.batched.per_million == pytest.approx(200_000)


def test_only_the_deletes_differ_from_one_delete_per_message():
    found = bill(rate=500)

    assert [each.service for each in found.lines if each.batched != each.single] == ["SQS"]
    assert found.batched < found.single


@pytest.mark.parametrize("name", ["rate", "handler_ms", "payload_kib"])
def test_more_never_costs_less(name):
    bills = [bill(**{name: value}) for value in (0.01, 0.5, 1, 7, 20, 64, 65, 130, 200, 256)]

    assert [each.batched for each in bills] == sorted(each.batched for each in bills)
    assert [each.single for each in bills] == sorted(each.single for each in bills)


def test_a_task_on_arm_costs_less_than_one_on_x86():
    assert bill().batched < bill(task=replace(Task(), architecture="x86_64")).batched


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": -1},
        {"rate": math.inf},
        {"rate": math.nan},
        {"handler_ms": 0},
        {"payload_kib": 0},
        {"payload_kib": 257},
        {"concurrency": 0},
    ],
)
def test_impossible_input_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        bill(**wrong)


@pytest.mark.parametrize(("cpu", "memory"), [(256, 8192), (300, 512)])
def test_a_task_that_fargate_does_not_have_is_refused(cpu, memory):
    with pytest.raises(ValueError, match="does not offer"):
        Task(cpu, memory)


def test_a_region_without_prices_is_refused_with_a_list_of_known_ones():
    with pytest.raises(ValueError, match="eu-west-1, us-east-1"):
        Prices.load("mars-north-1")
