"""Processes are killed at every crash point of a message, an outbox row and a request."""

import signal

import pytest

from local.chaos import customers
from local.chaos.evidence import Planted
from local.ports import release_port, reserve_port
from workers.runtime.crash import POINTS

pytestmark = [pytest.mark.process, pytest.mark.chaos]

CONSUMER = [point for point in POINTS if "." not in point and point != "dead_lettered"]
API = [point for point in POINTS if point.startswith("api.")]
RELAY = [point for point in POINTS if point.startswith("relay.")]


def crashed(rig, point):
    return (rig.processes.exits[0][1], rig.logged("crash")) == (signal.SIGKILL * -1, 1), point


@pytest.mark.parametrize("point", CONSUMER)
def test_a_worker_that_dies_at_any_step_of_a_message_loses_and_doubles_nothing(rig, point):
    stage = rig(["payment"], "honest")
    stage.place("success", "success", "success")
    stage.run("payment", crash=f"{point}@1")
    stage.drain()
    assert crashed(stage, point) == (True, point)
    assert stage.violations() == []


@pytest.mark.parametrize("point", ["handled", "committed"])
def test_a_worker_that_dies_with_a_batch_loses_and_doubles_nothing(rig, point):
    stage = rig(["analytics"], "honest")
    stage.place("success", "success", "success")
    stage.run("analytics", crash=f"{point}@1")
    stage.drain()
    assert crashed(stage, point) == (True, point)
    assert stage.violations() == []


def test_a_worker_that_dies_after_dead_lettering_leaves_one_or_two_copies(rig):
    stage = rig(["payment"], "honest")
    stage.repeats = True
    stage.place("technical", "success")
    stage.planted.append(Planted("payment", "transient", "payment is broken", number=1))
    stage.run("payment", crash="dead_lettered@1")
    stage.drain()
    assert crashed(stage, "dead_lettered") == (True, "dead_lettered")
    assert stage.violations() == []


@pytest.mark.parametrize("point", RELAY)
def test_a_relay_that_dies_at_any_step_of_a_row_publishes_it(rig, point):
    stage = rig(["relay"], "honest")
    stage.place("success", "success", published=False)
    stage.run("relay", crash=f"{point}@1")
    stage.drain()
    assert crashed(stage, point) == (True, point)
    assert stage.violations() == []


@pytest.mark.parametrize("point", API)
def test_an_order_api_that_dies_at_any_step_accepts_the_order_once(rig, monkeypatch, point):
    monkeypatch.setattr(customers, "IMPATIENT", 0.0)
    stage, port = rig(["order-api", "relay"], "honest"), reserve_port()
    stage.run("relay")
    stage.run("order-api", crash=f"{point}@1", PORT=str(port))
    stage.processes.wait_until_ready()
    stage.place_over_http(f"http://127.0.0.1:{port}", "success", "success")
    stage.drain()
    release_port(port)
    assert crashed(stage, point) == (True, point)
    assert stage.violations() == []
