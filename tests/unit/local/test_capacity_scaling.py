"""The simulated policy decides as Application Auto Scaling does."""

import math

import pytest

from local.capacity.engine import Simulation
from local.capacity.scaling import TargetTracking, Waking
from local.capacity.tasks import Account, Assumptions, Launches, Scaler, Tasks

SURE = Assumptions(start=(40, 40), publication=(60, 60), interruptions=0)


def policy(**changes):
    return TargetTracking(
        **{
            "target": 100,
            "minimum": 2,
            "maximum": 50,
            "scale_out_cooldown": 60,
            "scale_in_cooldown": 300,
        }
        | changes
    )


def service(*, spot_share=0.0, assumptions=SURE, running=0):
    simulation = Simulation(1)
    tasks = Tasks(simulation, Account(), assumptions, spot_share, changed=lambda _: None)
    tasks.begin(running)
    return simulation, tasks


def test_three_minutes_above_the_target_scale_out_in_proportion():
    assert policy().desired(0, [250, 250], 10, 10) == 10
    assert policy().desired(0, [250, 90, 250, 250], 10, 10) == 10
    assert policy().desired(0, [250, 250, 250], 10, 10) == 25
    assert policy().desired(0, [300, 300, 101], 10, 10) == 11


def test_scaling_out_stops_at_the_maximum():
    assert policy().desired(0, [9_000] * 3, 10, 10) == 50


def test_what_was_added_counts_until_the_tasks_run_and_the_cooldown_is_over():
    scaling = policy(maximum=1_000)
    assert scaling.desired(0, [300] * 3, 10, 10) == 30
    assert scaling.desired(60, [300] * 3, 30, 10) == 30  # the tasks are starting
    assert scaling.desired(120, [300] * 3, 30, 30) == 30  # the cooldown begins
    assert scaling.desired(150, [400] * 3, 30, 30) == 40  # more is needed: only the difference
    assert scaling.desired(240, [150] * 3, 40, 40) == 40
    assert scaling.desired(301, [150] * 3, 40, 40) == 60


def test_fifteen_minutes_below_nine_tenths_scale_in_by_a_tenth():
    assert policy().desired(0, [0] * 14, 40, 40) == 40
    assert policy().desired(0, [0] * 14 + [91], 40, 40) == 40
    assert policy().desired(0, [0] * 15, 40, 40) == 36
    assert policy().desired(0, [89] * 15, 40, 40) == 36
    assert policy(gradual=1.0).desired(0, [50] * 15, 40, 40) == 20


def test_scaling_in_waits_for_its_cooldown_and_stops_at_the_minimum():
    scaling = policy()
    assert scaling.desired(0, [0] * 15, 4, 4) == 3
    assert scaling.desired(299, [0] * 15, 3, 3) == 3
    assert scaling.desired(300, [0] * 15, 3, 3) == 2
    assert scaling.desired(900, [0] * 15, 2, 2) == 2


def test_a_minute_without_a_ratio_is_no_reason_to_scale():
    assert policy().desired(0, [None] * 20, 5, 5) == 5
    assert policy().desired(0, [math.inf] * 20, 0, 0) == 0


def test_two_minutes_of_messages_without_a_task_start_one():
    waking = Waking(policy(minimum=0))

    assert waking.desired(0, [None, math.inf], 0, 0) == 0
    assert waking.desired(60, [math.inf, math.inf], 0, 0) == 1
    assert waking.desired(120, [math.inf] * 3, 1, 0) == 1  # in the cooldown


@pytest.mark.parametrize("load", [1, 5, 20, 100, 400])
def test_more_load_never_needs_fewer_tasks(load):
    less = policy(maximum=10_000).desired(0, [load * 10] * 15, 10, 10)
    more = policy(maximum=10_000).desired(0, [load * 11] * 15, 10, 10)

    assert less <= more


def test_a_hundred_tasks_are_launched_at_once_and_twenty_per_second_after_that():
    launches = Launches()
    delays = [launches.delay(1_000.0) for _ in range(140)]

    assert delays[99] == pytest.approx(0)
    assert delays[139] == pytest.approx(2.0)
    assert launches.delay(2_000.0) == 0


def test_a_task_runs_when_it_has_started():
    simulation, tasks = service(running=1)
    tasks.want(5)
    simulation.run(39)
    assert (tasks.running, tasks.starting) == (1, 4)

    simulation.run(41)
    assert (tasks.running, tasks.starting) == (5, 0)
    tasks.accrue()
    assert tasks.seconds == pytest.approx(5 * 40)  # billed while they start


def test_tasks_that_are_starting_are_stopped_first():
    simulation, tasks = service(running=2)
    tasks.want(6)
    tasks.want(3)
    simulation.run(100)

    assert (tasks.running, tasks.starting, tasks.launched) == (3, 0, 4)


def test_the_first_task_is_never_on_spot():
    _, tasks = service(spot_share=1.0, running=10)
    assert tasks.running_spot == 9

    _, tasks = service(spot_share=0.5, running=9)
    assert tasks.running_spot == 4


def test_a_spot_task_that_is_taken_back_is_replaced():
    simulation, tasks = service(spot_share=0.5, running=9)
    tasks.interrupt(100)
    assert (tasks.running, tasks.starting, tasks.interrupted) == (5, 4, 4)

    simulation.run(60)
    assert (tasks.running, tasks.running_spot, tasks.desired) == (9, 4, 9)


def test_a_datapoint_counts_only_when_it_is_published():
    simulation, tasks = service(running=2)
    scaler = Scaler(simulation, tasks, policy(), measure=lambda: 1_000.0)
    scaler.begin()
    simulation.run(3 * 60 + 60 - 1)  # the third minute is over, and not published
    assert tasks.desired == 2

    simulation.run(3 * 60 + 60 + 60)
    assert tasks.desired == 20
