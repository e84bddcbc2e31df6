"""The exporter gives queue depths to Prometheus."""

import socket

import pytest
from prometheus_client import CollectorRegistry

from workers.ops.exporter import QueueDepths, serve
from workers.ops.queues import QueueState
from workers.runtime.errors import FatalError, Unavailable


class Queues:
    def __init__(self):
        self.found = 0
        self.error = None

    def __call__(self):
        self.found += 1
        if self.error:
            raise self.error
        return self

    def states(self):
        if self.error:
            raise self.error
        return [QueueState("payment", "payment-queue", visible=3, in_flight=2, delayed=1, dead=4)]


@pytest.fixture
def queues():
    return Queues()


@pytest.fixture
def sample(queues):
    registry = CollectorRegistry()
    registry.register(QueueDepths(queues))
    return registry.get_sample_value


@pytest.mark.parametrize(
    ("state", "count"), [("visible", 3), ("in_flight", 2), ("delayed", 1), ("dead", 4)]
)
def test_a_queue_is_counted_by_state(sample, state, count):
    labels = {"messaging_destination_name": "payment-queue", "state": state}
    assert sample("messaging_queue_messages", labels) == count
    assert sample("messaging_queues_answered") == 1


@pytest.mark.parametrize("error", [Unavailable("down", dependency="sqs"), FatalError("gone")])
def test_depths_are_missing_until_sqs_responds(queues, sample, error):
    labels = {"messaging_destination_name": "payment-queue", "state": "visible"}
    queues.error = error
    assert sample("messaging_queue_messages", labels) is None
    assert sample("messaging_queues_answered") == 0

    queues.error = None
    assert sample("messaging_queue_messages", labels) == 3


def test_queues_are_looked_up_once(queues, sample):
    for _ in range(3):
        assert sample("messaging_queues_answered") == 1
    assert queues.found == 1


def test_a_port_in_use_is_named(queues):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FatalError, match=f"METRICS_PORT {port}: Address already in use"):
            serve(queues, port=port, stop_timeout=5)
