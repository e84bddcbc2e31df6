"""Rounds become a table, and figures become verdicts."""

import pytest

from bench import messages
from bench.lineup import PEERS
from bench.report import BYPASS, LIKE_WITH_LIKE, markdown
from bench.rounds import compare
from bench.run import Run
from bench.scenarios import SCENARIOS, arrivals
from bench.stamp import stamp
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

    assert (result.doubts == []) == trusted


def test_the_rounds_of_every_peer_are_doubted_by_themselves():
    rounds = [
        [run("limit-boto3", 1.0), run("ours", 1.0)],
        [run("limit-boto3", 1.1), run("ours", 2.0)],
    ]
    (doubt,) = compare(NOOP, rounds).doubts

    assert "of ours:" in doubt
    assert "2.00" in doubt


def test_a_figure_has_the_range_of_its_rounds():
    rounds = [[run("ours", 1.0)], [run("ours", 3.0)], [run("ours", 2.0)]]
    result = compare(NOOP, rounds)

    assert (result.figures["ours"]["cpu"], result.ranges["ours"]["cpu"]) == (2.0, (1.0, 3.0))
    assert "2.000 (1.000 to 3.000)" in markdown([result])


def test_ratios_are_to_both_limits_of_the_same_round():
    rounds = [[run("limit-boto3", 2.0), run("limit-wire", 0.5), run("ours", 1.0)]]
    figures = compare(NOOP, rounds).figures["ours"]

    assert (figures["ratio"], figures["wire"]) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("scenario", "notes"),
    [
        ("noop", (True, True)),
        ("payment", (True, True)),
        ("order", (True, False)),
        ("api", (True, False)),
        ("start", (False, False)),
    ],
)
def test_a_table_that_compares_cpu_times_says_who_does_without_the_sdks_client(scenario, notes):
    runs = [Run("ours", scenario, figures={"cpu": 1.0})]
    text = " ".join(markdown([compare(SCENARIOS[scenario], [runs])]).split())

    assert (BYPASS in text, LIKE_WITH_LIKE in text) == notes


def test_events_that_order_api_did_not_publish_are_shown_and_miss_a_target():
    published = {"api-boto3": 1_000, "ours-api": 989}
    runs = [Run(peer, "api", figures={"published": each}) for peer, each in published.items()]
    text = markdown([compare(SCENARIOS["api"], [runs])])

    assert "| peer | orders | events published |" in text
    assert "| ours-api | - | 989 |" in text
    assert "MISSED: ours-api published 989 >= 990 (0.99 x published of api-boto3)" in text


def test_peers_that_disturb_each_other_are_not_compared_by_wall_time():
    figures = {"wall": 9.0, "rush": 3.0}
    result = compare(SCENARIOS["errors"], [[Run("ours", "errors", figures=figures)]])

    assert "wall s" not in markdown([result])


def test_many_figures_are_rows_with_a_column_for_each_peer():
    runs = [Run(peer, "order", figures={"cpu": 60.0}) for peer in ("textbook", "ours-shop")]
    table = markdown([compare(SCENARIOS["order"], [runs])])

    assert "| peer | textbook | ours-shop |" in table
    assert "| CPU ms / order | 60.000 | 60.000 |" in table


def test_results_name_the_code_the_machine_and_its_load():
    assert {"at", "commit", "cpu", "load average", "python", "botocore"} <= stamp().keys()


def test_a_peer_that_cannot_be_installed_has_a_row_that_says_why():
    absent = Run("celery", "noop", problem="not installed: no network")
    result = compare(NOOP, [[run("limit-boto3", 1.0), absent]])

    assert result.figures["celery"] == {}
    assert result.problems == {"celery": "not installed: no network"}


@pytest.mark.parametrize(("figure", "met"), [(1.3, True), (1.301, False)])
def test_a_target_is_judged_as_measured_and_not_as_printed(figure, met):
    verdict = Target("ours", "ratio", 1.3).judge({"ours": {"ratio": figure}})

    assert verdict.met == met


def test_a_missed_target_does_not_look_met():
    verdict = Target("ours", "requests", 230, places=0).judge({"ours": {"requests": 230.04}})

    assert str(verdict) == "MISSED: ours requests 230.04 <= 230.00"


def test_a_target_may_be_a_figure_of_another_peer_in_the_same_run():
    target = Target("ours", "utilisation", "utilisation of sketch", at_least=True)
    figures = {"ours": {"utilisation": 0.85}, "sketch": {"utilisation": 0.86}}

    assert not target.judge(figures).met


def test_a_target_for_a_peer_that_did_not_run_is_not_judged():
    assert Target("ours", "ratio", 1.3).judge({}) is None


def test_a_report_names_the_targets_that_were_not_judged_and_why():
    absent = Run("limit-wire", "noop", problem="exited with code 1")
    text = markdown([compare(NOOP, [[run("limit-boto3", 1.0), absent, run("ours", 0.5)]])])

    assert "- noop: not measured: ours wire <= 2.0" in text
    assert "- noop: not measured: ours cpu <= cpu of sqs-consumer" in text
    assert "exited with code 1" in text
    assert "not measured: ours ratio" not in text


def test_scenarios_without_key_figures_have_no_overview():
    result = compare(SCENARIOS["start"], [[Run("ours", "start", figures={"start cpu": 0.5})]])

    assert "All scenarios" not in markdown([result])


def test_the_summary_has_a_row_per_peer_and_only_columns_that_were_measured():
    figured = {
        "noop": {"ours": {"requests": 200.4, "ratio": 1.149}, "naive": {"requests": 1100.0}},
        "idle": {"dramatiq": {"idle requests": 3.0, "idle cpu": 0.04}},
    }
    heading, *rows = summary(figured)

    assert heading[1:4] == ["no-op: requests / 1,000", "CPU x boto3", "CPU x wire"]
    assert len(heading) == 6
    assert rows == [
        ["naive", "1,100", "", "", "", ""],
        ["dramatiq", "", "", "", "3", "0.040"],
        ["ours", "200", "1.15", "", "", ""],
    ]


def test_every_scenario_has_targets():
    assert set(TARGETS) == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.name)
def test_a_target_is_about_figures_that_the_table_shows(scenario):
    for target in TARGETS[scenario.name]:
        bound = target.bound if isinstance(target.bound, str) else target.figure
        figure, _, peer = bound.partition(" of ")
        assert {target.peer, peer or target.peer} <= set(scenario.peers)
        assert {target.figure, figure} <= set(scenario.columns)


@pytest.mark.parametrize("scenario", TARGETS)
def test_no_bound_is_set_twice(scenario):
    bounds = [(each.peer, each.figure, str(each.bound)) for each in TARGETS[scenario]]

    assert len(bounds) == len(set(bounds))


# What the figures have to reach: scenario, peer, figure, bound and share of the bound.
GOALS = {
    ("payment", "ours-payment", "cpu", 1.2, 1.0),
    ("order", "ours-shop", "cpu", 35.0, 1.0),
    ("noop", "ours", "ratio", 0.8, 1.0),
    ("noop", "ours", "wire", 2.0, 1.0),
    ("noop", "ours", "cpu", "cpu of sqs-consumer", 1.0),
    ("api", "ours-api", "rate", "rate of api-boto3", 2.0),
    ("steady", "ours", "requests", 230, 1.0),
    ("steady", "ours", "latency p50", 100, 1.0),
    ("heavy", "ours", "utilisation", 0.88, 1.0),
    ("api", "ours-api", "published", "published of api-boto3", 0.99),
    ("idle", "ours-service", "idle requests", 16, 1.0),
    ("idle", "ours-service", "idle cpu", 0.02, 1.0),
    ("start", "ours-service", "start cpu", 0.6, 1.0),
    ("memory", "ours-service", "proportional", 76, 1.0),
}


def test_every_goal_is_a_target():
    targets = {
        (scenario, each.peer, each.figure, each.bound, each.share)
        for scenario, all_of_them in TARGETS.items()
        for each in all_of_them
    }

    assert targets >= GOALS


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.name)
def test_every_peer_of_a_scenario_supports_it_and_a_shop_is_no_consumer(scenario):
    assert all(PEERS[peer].takes_part(scenario.name) for peer in scenario.peers)
    assert PEERS["naive"].takes_part(scenario.name) == (scenario.kind not in {"order", "api"})


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
