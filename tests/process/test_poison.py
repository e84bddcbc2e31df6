"""A message that ends its process is dead-lettered in the end, and its neighbours are handled."""

import pytest
from support.eventually import eventually

from local.processes import Processes
from workers.ops.failures import failures_of

pytestmark = pytest.mark.process

PATIENCE = 60  # s


@pytest.fixture
def processes(tmp_path, obedient):
    with Processes(tmp_path / "logs", command=lambda _: obedient, restart_delay=0.1) as processes:
        yield processes


def test_nine_neighbours_are_handled_and_the_poison_is_dead_lettered_with_its_reason(
    world, processes
):
    good = [f"good-{number}" for number in range(9)]
    world.send("abort-1", *good)
    processes.start("payment", world.environment | {"VISIBILITY_TIMEOUT": "2"})
    eventually(lambda: world.dead == 1 and world.waiting == world.in_flight == 0, PATIENCE)
    assert [world.effects(order) for order in good] == [1] * len(good)
    assert world.effects("abort-1") == 0
    assert processes.restarts <= 5
    (letter,) = world.dead_letters()
    assert '"orderId":"abort-1"' in letter.body
    assert letter.reason == "earlier deliveries ended the worker"
    assert letter.attempts == 3
    log = failures_of(world.dynamodb, f"{world.prefix}payment", "order-api#event-abort-1")
    assert {attempt.type for attempt in log.attempts} == {"worker_ended"}
    assert [attempt.attempt for attempt in log.attempts][-3:] == [1, 2, 3]
    assert log.attempts[-1].outcome == "dead_lettered"
    assert all(attempt.worker for attempt in log.attempts[-3:])
