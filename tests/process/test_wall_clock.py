"""A wall clock that jumps by ten minutes costs no lease and no second handling."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

PATIENCE = 30  # s
JUMPING = (sys.executable, str(Path(__file__).with_name("jumping.py")), "run", "payment")
ORDERS = [f"slow-{number}" for number in range(6)]  # 1.5 s each


def test_a_clock_that_jumps_neither_loses_a_lease_nor_handles_twice(world, start):
    """With a visibility timeout of 2 s, each message needs an early renewal."""
    settings = {"CONCURRENCY": "3", "VISIBILITY_TIMEOUT": "2"}
    worker = start(JUMPING, world.environment | settings)
    world.send(*ORDERS)
    worker.says("message.settled", times=len(ORDERS), outcome="handled")

    started = Counter(line["orderId"] for line in worker.lines("handler.started"))
    assert started == dict.fromkeys(ORDERS, 1)
    assert [world.effects(order) for order in ORDERS] == [1] * len(ORDERS)
    eventually(lambda: (world.waiting, world.in_flight, world.dead) == (0, 0, 0), PATIENCE)
    assert all(line["durationMs"] >= 0 for line in worker.lines("message.settled"))
