"""One of two workers is stopped under load: nothing is lost, doubled, or left hidden."""

from collections import Counter
from signal import SIGTERM

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

INTERRUPTED = 75
# The map's visibility timeout is 90 s: for so long would be hidden what the stopped worker forgot.
PATIENCE = 30  # s; the other one needs some ten for what is left, with all the rest of a machine
LOAD = [f"{'slow' if number % 3 == 0 else 'quick'}-{number}" for number in range(120)]


def test_nothing_is_lost_or_doubled_when_one_of_two_is_stopped_under_load(world, work):
    workers = leaving, _ = [work() for _ in range(2)]
    world.send(*LOAD)
    for worker in workers:
        worker.says("handler.started", times=20)

    leaving.signal(SIGTERM)
    assert leaving.ends() == 0

    eventually(lambda: _settled(*workers) == len(LOAD), PATIENCE)
    assert _started(*workers) == dict.fromkeys(LOAD, 1)
    assert {world.effects(order) for order in LOAD} == {1}
    eventually(lambda: (world.waiting, world.in_flight, world.dead) == (0, 0, 0))


def test_what_the_stopped_one_could_not_finish_goes_to_the_other_at_once(world, work):
    leaving = work(CONCURRENCY="1")
    pace = [f"pace-{number}" for number in range(20)]  # that allows to read ahead
    world.send(*pace)
    leaving.says("message.settled", times=len(pace))
    eventually(lambda: world.in_flight == 0)
    held = ["wait-1", *(f"late-{number}" for number in range(5))]
    world.send(*held)
    leaving.says("handler.started", orderId="wait-1")
    eventually(lambda: world.in_flight > 1)

    staying = work()
    world.send(*LOAD)
    leaving.signal(SIGTERM)
    assert leaving.ends() == INTERRUPTED
    world.open_gate("wait-1")

    eventually(lambda: _settled(staying) == len(held + LOAD), PATIENCE)
    assert {world.effects(order) for order in pace + held + LOAD} == {1}
    eventually(lambda: (world.waiting, world.in_flight, world.dead) == (0, 0, 0))


def _started(*workers):
    lines = (line for each in workers for line in each.lines("handler.started"))
    return Counter(line["orderId"] for line in lines)


def _settled(*workers):
    return sum(len(each.lines("message.settled", outcome="handled")) for each in workers)
