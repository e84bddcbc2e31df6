"""The schedule follows from counts and a seed, so that a run can be repeated."""

import pytest

from local.aws.faults.modes import EVERYTHING, MODES
from local.aws.faults.rules import Rule
from local.chaos import faults
from local.chaos.faults import UnknownFault
from local.chaos.schedule import CLOCKS, Lives, schedule
from workers.runtime.crash import VARIABLE, parse

SERVICES = ["order-api", "relay", "payment", "orders"]
CONSUMERS = ["payment", "orders"]


def lives(*asked, orders=300, endpoints=()):
    return Lives(1, asked=asked, orders=orders, endpoints=dict(endpoints))


def planned(*asked, orders=1_000, seed=1):
    return schedule(asked, orders=orders, seed=seed, services=SERVICES, consumers=CONSUMERS)


def test_a_seed_gives_the_same_schedule_and_another_seed_another():
    assert planned("kill", "stop") == planned("kill", "stop")
    assert planned("kill", "stop") != planned("kill", "stop", seed=2)


def test_everything_is_due_before_the_last_order_and_in_order():
    due = [action.due for action in planned("kill", "stop", "deploy", orders=50)]
    assert due == sorted(due)
    assert max(due) < 50


def test_only_the_chosen_faults_are_scheduled():
    assert {action.fault for action in planned("kill")} == {"kill"}
    assert planned("drop_after") == []


def test_ten_thousand_orders_meet_three_hundred_kills_and_twenty_deploys():
    done = [action.fault for action in planned("kill", "deploy", orders=10_000)]
    assert done.count("kill") + faults.count("crash", 10_000) >= 300
    assert done.count("deploy") == 20


def test_only_workers_are_paused():
    assert {action.service for action in planned("stop", orders=10_000)} <= set(CONSUMERS)


def test_processes_get_a_crash_point_until_there_were_enough_crashes():
    of = lives("crash")
    armed = [of("payment-1", life).get(VARIABLE) for life in range(10)]
    assert sum(map(bool, armed)) == faults.count("crash", 300)
    assert [parse(text) for text in armed if text]


@pytest.mark.parametrize(("name", "prefix"), [("order-api-1", "api."), ("relay-2", "relay.")])
def test_a_process_crashes_only_at_its_own_crash_points(name, prefix):
    of = lives("crash", orders=3_000)
    armed = [of(name, life)[VARIABLE] for life in range(20)]
    assert all(text.startswith(prefix) for text in armed)


def test_after_the_faults_no_process_crashes_and_clocks_stay_shifted():
    of = lives("crash", "clock")
    before = of("payment-1", 0)
    of.calm = True
    assert of("payment-1", 1) == {"CHAOS_CLOCK": before["CHAOS_CLOCK"]}


def test_clocks_differ_between_processes():
    of = lives("clock")
    told = {int(of(f"payment-{number}", 0)["CHAOS_CLOCK"]) for number in range(20)}
    assert told == set(CLOCKS)


def test_no_name_means_every_fault_and_a_repeated_one_counts_once():
    assert faults.parse("") == tuple(faults.names())
    assert faults.parse(" kill,stop,kill") == ("kill", "stop")


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(UnknownFault) as refused:
        faults.parse("kil")
    assert all(name in str(refused.value) for name in faults.names())


def test_one_in_twenty_requests_fails_and_every_rule_is_valid():
    rules = faults.rules(faults.names())
    assert {rule["mode"] for rule in rules} == set(faults.CALLS)
    rates = {Rule(**rule).mode: Rule(**rule).rate for rule in rules}
    anything = [mode for mode, met in MODES.items() if met == EVERYTHING and mode != "delay"]
    assert sum(rates[mode] for mode in anything) == pytest.approx(faults.RATE)
    assert rates[faults.RARE] == faults.RATE
    assert set(rates.values()) == {faults.RATE, faults.RATE / len(anything)}
    assert faults.rules(["kill"]) == []


def test_a_single_fault_affects_one_in_twenty_matching_requests():
    assert {Rule(**rule).rate for rule in faults.rules(["duplicate"])} == {faults.RATE}


def test_a_worker_to_be_cut_off_reaches_aws_through_a_proxy():
    of = lives("partition", endpoints={"payment-1": "http://127.0.0.1:1"})
    assert of("payment-1", 0) == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert of("payment-2", 0) == {}
