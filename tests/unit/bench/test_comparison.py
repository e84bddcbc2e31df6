"""Rounds become a table, and figures become verdicts."""

import pytest

from bench import messages
from bench.rounds import compare
from bench.run import Run
from bench.scenarios import SCENARIOS, arrivals
from bench.summary import summary
from bench.targets import TARGETS, Target
from workers.events import decode

NOOP = SCENARIOS["noop"]


def run(peer, cpu):
    return Run(peer, "noop", figures={"cpu": cpu})


def test_a_ratio_compares_with_the_limit_of_the_same_round():
    rounds = [
        [run("limit-boto3", 1.0), run("ours", 1.2)],
        [run("limit-boto3", 2.0), run("ours", 2.2)],
        [run("limit-boto3", 4.0), run("ours", 5.2)],
    ]
    result = compare(NOOP, rounds)

    assert result.figures["ours"]["ratio"] == pytest.approx(1.2)
    assert result.figures["ours"]["cpu"] == 2.2


@pytest.mark.parametrize(("slowest", "trusted"), [(1.5, True), (1.6, False)])
def test_a_busy_machine_is_not_trusted(slowest, trusted):
    result = compare(NOOP, [[run("limit-boto3", 1.0)], [run("limit-boto3", slowest)]])

    assert (result.doubt == "") == trusted


def test_a_peer_that_cannot_be_installed_has_a_row_that_says_why():
    absent = Run("celery", "noop", problem="not installed: no network")
    result = compare(NOOP, [[run("limit-boto3", 1.0), absent]])

    assert result.figures["celery"] == {}
    assert result.problems == {"celery": "not installed: no network"}


@pytest.mark.parametrize(("figure", "met"), [(1.304, True), (1.306, False)])
def test_a_target_is_judged_as_printed(figure, met):
    verdict = Target("ours", "ratio", 1.3).judge({"ours": {"ratio": figure}})

    assert verdict.met == met


def test_a_target_may_be_a_figure_of_another_peer_in_the_same_run():
    target = Target("ours", "utilisation", "utilisation of sketch", at_least=True)
    figures = {"ours": {"utilisation": 0.85}, "sketch": {"utilisation": 0.86}}

    assert not target.judge(figures).met


def test_a_target_for_a_peer_that_did_not_run_is_not_judged():
    assert Target("ours", "ratio", 1.3).judge({}) is None


def test_the_summary_has_a_row_per_peer_and_only_columns_that_were_measured():
    figured = {
        "noop": {"ours": {"requests": 200.4, "ratio": 1.149}, "naive": {"requests": 1100.0}},
        "idle": {"dramatiq": {"idle requests": 3.0, "idle cpu": 0.04}},
    }
    heading, *rows = summary(figured)

    assert heading[1:3] == ["no-op: requests / 1,000", "CPU x limit"]
    assert len(heading) == 5
    assert rows == [
        ["naive", "1,100", "", "", ""],
        ["dramatiq", "", "", "3", "0.040"],
        ["ours", "200", "1.15", "", ""],
    ]


def test_every_scenario_has_targets():
    assert set(TARGETS) == set(SCENARIOS)


@pytest.mark.parametrize("wire", [messages.raw, messages.sns])
def test_the_messages_are_real_orders(wire):
    [body] = [wire(envelope, 0) for envelope in messages.envelopes([0.05])]
    order = decode(body).data

    assert order.order_id == "order-0.50000"
    assert messages.number_of(order.order_id) == 0


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.name)
def test_every_peer_gets_the_same_work_at_the_same_times(scenario):
    assert scenario.work(50) == scenario.work(50)
    assert arrivals(scenario, 50) == arrivals(scenario, 50)
