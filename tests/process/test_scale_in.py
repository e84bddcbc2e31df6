"""A worker stopped by a scale-in hands its messages to the others."""

from collections import Counter
from signal import SIGTERM

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

INTERRUPTED = 75
# A message that the stopped worker forgot would be hidden for the map's visibility timeout, 90 s.
PATIENCE = 30  # s; the other worker needs about ten on an idle machine
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


def test_messages_that_the_stopped_worker_could_not_finish_go_to_the_other_at_once(world, work):
    leaving = work(CONCURRENCY="1")
    pace = [f"pace-{number}" for number in range(20)]  # fast enough to read ahead
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
