"""A killed process loses nothing and doubles nothing; several processes share a queue."""

import json
import os
from signal import SIGKILL, SIGTERM

import pytest
from support.eventually import eventually

from local.processes import Processes

pytestmark = pytest.mark.process

PATIENCE = 30  # s
VISIBILITY = {"VISIBILITY_TIMEOUT": "2"}


@pytest.fixture
def processes(tmp_path, obedient):
    with Processes(tmp_path / "logs", command=lambda _: obedient, restart_delay=0.1) as processes:
        yield processes


def kill(child):
    os.kill(child.pid, SIGKILL)


def settled(child):
    """Return (receive count, outcome) of every settled message, in order."""
    lines = map(json.loads, child.log.read_text().rpartition("\n")[0].splitlines())
    return [(x["receiveCount"], x["outcome"]) for x in lines if x["event"] == "message.settled"]


def empty(world):
    return (world.waiting, world.in_flight) == (0, 0)


def test_a_message_whose_process_is_killed_is_handled_by_the_next(world, processes):
    processes.start("payment", world.environment | VISIBILITY)
    processes.wait_until_ready()
    [child] = processes.children
    world.send("wait-1")
    eventually(lambda: "handler.started" in child.log.read_text(), PATIENCE)
    kill(child)
    world.open_gate("wait-1")
    eventually(lambda: settled(child) and empty(world), PATIENCE)
    assert settled(child) == [(2, "handled")]
    assert world.effects("wait-1") == 1
    assert processes.restarts == 1


def test_a_message_that_was_committed_but_not_deleted_has_one_effect(world, wire, processes):
    wire.join()
    processes.start("payment", world.environment | VISIBILITY | {"AWS_ENDPOINT_URL_SQS": wire.url})
    processes.wait_until_ready()
    [child] = processes.children
    world.send("wait-1")
    eventually(lambda: "handler.started" in child.log.read_text(), PATIENCE)
    wire.cut()
    world.open_gate("wait-1")
    eventually(lambda: settled(child), PATIENCE)
    assert world.effects("wait-1") == 1
    kill(child)
    wire.join()
    eventually(lambda: len(settled(child)) == 2 and empty(world), PATIENCE)
    assert settled(child) == [(1, "handled"), (2, "repeated")]
    assert world.effects("wait-1") == 1


def test_two_processes_share_a_queue(world, work):
    both = work(CONCURRENCY="1"), work(CONCURRENCY="1")
    world.send("wait-1", "wait-2")
    for worker in both:
        worker.says("handler.started")
    world.open_gate("wait-1")
    world.open_gate("wait-2")
    orders = [f"quick-{number}" for number in range(60)]
    world.send(*orders)
    eventually(lambda: empty(world), PATIENCE)
    assert [world.effects(order) for order in orders] == [1] * 60
    for worker in both:
        worker.signal(SIGTERM)
    assert [worker.ends() for worker in both] == [0, 0]
    handled = [len(worker.lines("message.settled", outcome="handled")) for worker in both]
    assert sum(handled) == 62
    assert min(handled) > 1
