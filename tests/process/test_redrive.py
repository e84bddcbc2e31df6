"""A redrive that is killed half way loses nothing, and handles nothing twice."""

import signal
import sys
import time

from support.eventually import eventually
from support.real_process import PATIENCE

from workers.aws.sqs import depth

REDRIVE = (sys.executable, "-m", "workers", "dlq", "redrive", "payment", "--yes")
OUTAGE = 3  # s
HELD = 45  # s that a second run may wait for messages that the killed one hides


def orders(n):
    return [f"order-{i:04}" for i in range(n)]


def bury(world, order_ids):
    """Put the events of orders into the dead-letter queue."""
    queue, world.queue_url = world.queue_url, world.dlq_url
    world.send(*order_ids)
    world.queue_url = queue


def left(world):
    counts = depth(world.sqs, world.dlq_url)
    return counts.visible + counts.in_flight


def test_a_redrive_killed_half_way_goes_on_without_losing_or_doubling(world, start, work):
    wanted = orders(400)
    bury(world, wanted)
    worker = work()
    command = (*REDRIVE, "--where", "readable", "--rate", "120/s")

    first = start(command, world.environment)
    eventually(lambda: left(world) <= 200 or not first.running, PATIENCE)
    first.signal(signal.SIGKILL)
    assert first.ends() == -signal.SIGKILL, first.stderr
    assert 0 < left(world) <= 200
    second = start(command, world.environment)
    assert second.ends(PATIENCE + HELD) == 0, second.stderr

    eventually(lambda: left(world) == world.waiting == world.in_flight == 0, PATIENCE)
    assert {order_id: world.effects(order_id) for order_id in wanted} == dict.fromkeys(wanted, 1)
    assert left(world) == 0
    assert worker.running


def test_an_interrupted_redrive_goes_on_at_once(world, start):
    bury(world, orders(200))
    command = (*REDRIVE, "--where", "readable")

    first = start((*command, "--rate", "50/s"), world.environment)
    eventually(lambda: left(world) <= 150 or not first.running, PATIENCE)
    first.signal(signal.SIGINT)
    assert first.ends() == 75, first.stderr
    assert "Run the same command again to go on" in first.stderr
    assert 0 < left(world) <= 150
    second = start(command, world.environment)
    assert second.ends() == 0, second.stderr

    assert left(world) == 0
    assert world.waiting == 200


def test_a_second_operator_is_refused_while_a_redrive_runs(world, start):
    bury(world, orders(100))
    first = start((*REDRIVE, "--rate", "10/s"), world.environment)
    eventually(lambda: world.waiting > 0 or not first.running, PATIENCE)

    second = start(REDRIVE, world.environment)

    assert second.ends() == 1
    assert "another operation on these messages is running" in second.stderr
    first.signal(signal.SIGINT)
    assert first.ends() == 75
    assert world.waiting + left(world) == 100


def test_a_lost_connection_in_the_middle_is_resumed(world, start, wire):
    bury(world, orders(300))
    wire.join()
    environment = world.environment | {"AWS_ENDPOINT_URL": wire.url}
    command = (*REDRIVE, "--where", "readable", "--rate", "100/s")
    first = start(command, environment)
    eventually(lambda: left(world) <= 200 or not first.running, PATIENCE)

    wire.cut()
    time.sleep(OUTAGE)
    assert left(world) > 0
    wire.join()

    assert first.ends(PATIENCE + HELD) == 0, first.stderr
    assert "the connection was lost" in first.stderr
    assert left(world) == 0
    assert 300 <= world.waiting <= 300 + 10
