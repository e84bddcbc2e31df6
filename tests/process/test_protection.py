"""A task is protected from scale-in during long work, and the ECS agent never disturbs it."""

import json
import time
from signal import SIGTERM

import pytest
from support.eventually import eventually
from support.stub import serving

pytestmark = pytest.mark.process

AGREED = b'{"protection": {"ProtectionEnabled": true, "TaskArn": "arn"}}'
PATIENCE = 30  # s


@pytest.fixture
def agent():
    with serving() as agent:
        agent.body = AGREED
        yield agent


def asked(agent):
    return [json.loads(body)["ProtectionEnabled"] for _method, _path, body in agent.requests]


def test_a_task_is_protected_while_a_long_handler_runs(world, work, agent):
    """Case 42."""
    worker = work(ECS_AGENT_URI=agent.url, STOP_TIMEOUT="5")
    world.send("quick-1")
    worker.says("message.settled")
    world.send("wait-2")
    worker.says("handler.started", orderId="wait-2")
    assert asked(agent) == []  # short work does not block a deployment
    eventually(lambda: asked(agent) == [True], PATIENCE)
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    world.open_gate("wait-2")
    assert worker.ends() == 0
    assert asked(agent) == [True, False]


@pytest.mark.parametrize("trouble", [{"silent": True}, {"status": 500}])
def test_a_failing_agent_disturbs_nothing(world, work, agent, trouble):
    """Case 43."""
    vars(agent).update(trouble)
    worker = work(ECS_AGENT_URI=agent.url, STOP_TIMEOUT="5")
    world.send("wait-1")
    worker.says("handler.started")
    eventually(lambda: agent.requests, PATIENCE)
    world.send("quick-2")
    worker.says("message.settled", orderId="quick-2", outcome="handled")
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    world.open_gate("wait-1")
    assert worker.ends() == 0
    assert world.effects("wait-1") == 1


def test_an_agent_that_stops_responding_does_not_delay_the_stop(world, work, agent):
    """Case 43."""
    worker = work(ECS_AGENT_URI=agent.url, STOP_TIMEOUT="5")
    world.send("wait-1")
    eventually(lambda: asked(agent) == [True], PATIENCE)
    agent.silent = True
    signalled = time.monotonic()
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    world.open_gate("wait-1")
    assert worker.ends() == 0
    assert time.monotonic() - signalled < 5  # STOP_TIMEOUT
