"""The simulated queues agree with what queueing theory knows."""

import math
from statistics import mean, stdev

import pytest

from local.capacity.drain import drain
from local.capacity.engine import Durations, Simulation, Station


def arriving(rate, slots, durations, *, until, seed=1, group=1, step=0.0):
    """Let messages arrive at random, and return the station."""
    simulation = Simulation(seed)
    station = Station(simulation, durations, slots, step=step)

    def arrive():
        station.arrive(group)
        follow()

    def follow():
        simulation.after(simulation.random.gammavariate(group, 1 / rate), arrive)

    follow()
    simulation.run(until)
    return station


def mean_age(station):
    return sum(age * count for age, count in station.ages.items()) / station.handled


def erlang_c(slots, load):
    """Return the share of messages that have to wait (M/M/c)."""
    last = load**slots / math.factorial(slots) * slots / (slots - load)
    return last / (sum(load**k / math.factorial(k) for k in range(slots)) + last)


def test_a_backlog_with_constant_durations_drains_in_rounds():
    assert drain(100, 10, Durations(0.2, variation=0), seed=1).seconds == pytest.approx(2.0)
    assert drain(101, 10, Durations(0.2, variation=0), seed=1).seconds == pytest.approx(2.2)


def test_twice_the_workers_drain_a_backlog_in_half_the_time():
    one, two = (drain(2_000, slots, Durations(0.2), seed=1).seconds for slots in (10, 20))

    assert one / two == pytest.approx(2, rel=0.05)


def test_littles_law_holds():
    station = arriving(9, 10, Durations(1.0), until=5_000)

    inside = station.area / station.simulation.now
    assert inside == pytest.approx(station.handled / 5_000 * mean_age(station), rel=0.01)


def test_the_mean_wait_is_that_of_erlang():
    slots, load = 5, 4.0
    station = arriving(load, slots, Durations(1.0), until=20_000)

    wait = mean_age(station) - 1.0
    assert wait == pytest.approx(erlang_c(slots, load) / (slots - load), rel=0.1)


def test_constant_durations_wait_half_as_long_as_exponential_ones():
    waits = [
        mean_age(arriving(0.9, 1, Durations(1.0, variation), until=40_000)) - 1.0
        for variation in (0, 1)
    ]

    assert waits[1] == pytest.approx(0.9 / 0.1, rel=0.15)  # M/M/1
    assert waits[0] / waits[1] == pytest.approx(0.5, rel=0.15)  # M/D/1


@pytest.mark.parametrize("group", [1, 10, 50])
def test_groups_and_steps_change_neither_throughput_nor_utilisation(group):
    station = arriving(100, 1_000, Durations(2.0), until=500, group=group, step=0.5)

    assert station.handled / 500 == pytest.approx(100, rel=0.03)
    assert station.area / 500 == pytest.approx(200, rel=0.05)


def test_the_mean_of_many_durations_varies_less_than_one_of_them():
    chance = Simulation(1).random
    single, many = (
        [Durations(1.0).of(messages, chance) for _ in range(500)] for messages in (1, 100)
    )

    assert mean(single) == pytest.approx(1, rel=0.15)
    assert stdev(single) == pytest.approx(1, rel=0.15)
    assert mean(many) == pytest.approx(1, rel=0.02)
    assert stdev(many) == pytest.approx(0.1, rel=0.15)


def test_nothing_is_lost_when_slots_go_away():
    simulation = Simulation(1)
    station = Station(simulation, Durations(10.0, variation=0), 100)
    station.arrive(150)
    station.resize(0)
    simulation.run(60)
    assert (station.handled, station.visible, station.busy) == (100, 50, 0)

    station.resize(50)
    simulation.run(120)
    assert (station.handled, station.visible, station.arrived) == (150, 0, 150)


def test_the_oldest_messages_are_handled_first():
    simulation = Simulation(1)
    station = Station(simulation, Durations(1.0, variation=0), 1)
    station.arrive(2)
    simulation.after(0.5, lambda: station.arrive(1))
    simulation.run(10)

    assert sorted(station.ages) == [1.0, 2.0, 2.5]
    assert station.percentile(0.5) == 2.0
    assert station.percentile(0.99) == 2.5


def test_the_same_seed_gives_the_same_run():
    runs = [arriving(50, 10, Durations(0.1), until=100, seed=seed) for seed in (3, 3, 4)]

    assert runs[0].ages == runs[1].ages
    assert runs[0].ages != runs[2].ages
