"""A call says how far it is and how long the rest will take."""

from dataclasses import replace

from bench.lineup import PEERS
from bench.progress import Plan, Step
from bench.scenarios import SCENARIOS

ALONE = replace(SCENARIOS["noop"], peers=("ours", "naive"), round_seconds=60.0)
STEP = Step(ALONE, (PEERS["ours"], PEERS["naive"]), 3)
TOGETHER = replace(ALONE, together=True)


def test_half_of_the_peers_take_half_of_the_time_unless_they_run_together():
    assert STEP.seconds == 180
    assert replace(STEP, peers=STEP.peers[:1]).seconds == 90
    assert Step(TOGETHER, STEP.peers[:1], 3).seconds == 180


def test_the_time_left_follows_the_pace_so_far():
    plan = Plan([STEP, STEP])

    assert "scenario 1 of 2, 0 min so far, about 6 min left" in plan.line(0, 0.0)
    assert "scenario 2 of 2, 6 min so far, about 6 min left" in plan.line(1, 360.0)


def test_every_scenario_has_an_estimate_and_all_of_them_take_35_minutes_at_most():
    steps = [
        Step(each, [PEERS[name] for name in each.peers], each.rounds) for each in SCENARIOS.values()
    ]

    assert all(step.seconds > 0 for step in steps)
    assert sum(step.seconds for step in steps) <= 35 * 60
