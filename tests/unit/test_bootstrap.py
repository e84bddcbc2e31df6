"""The composition root passes on the numbers of map and settings."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from workers import bootstrap
from workers.runtime.assembly import assemble
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT, Topology

MAPPED = Topology.load().services["payment"]


@pytest.fixture
def built(monkeypatch):
    """Build payment; returns the ports and numbers of its receive loop, and the program."""
    seen = SimpleNamespace()

    def spy(handlers, decode, ports, config):
        seen.ports, seen.config = ports, config
        seen.assembly = assemble(handlers, decode, ports, config)
        return seen.assembly

    names = MagicMock()
    names.queue_url.return_value = "https://sqs/1/payment-queue"
    monkeypatch.setattr(bootstrap, "names", names)
    monkeypatch.setattr(bootstrap.Clients, "connect", MagicMock())
    monkeypatch.setattr(bootstrap, "assemble", spy)
    monkeypatch.setenv("ECS_AGENT_URI", "http://169.254.170.2/agent")

    def build(**settings):
        given = {"payment_gateway": "simulated", "receive_linger_ms": 8, "stop_timeout": 90}
        settings = Settings(**(given | settings))
        seen.program = bootstrap.build("payment", settings, Topology.load())
        return seen

    return build


def test_a_loop_gets_the_numbers_of_the_map(built):
    seen = built()
    assert seen.config.max_receives == MAX_RECEIVE_COUNT == 1_000
    assert seen.config.max_attempts == MAPPED.max_attempts
    assert seen.config.concurrency == MAPPED.concurrency
    assert seen.assembly.leases.visibility_timeout == MAPPED.visibility_timeout


def test_settings_override_the_map(built):
    seen = built(concurrency=7, visibility_timeout=33)
    assert seen.config.concurrency == seen.assembly.permits.concurrency == 7
    assert seen.ports.queue.visibility_timeout == seen.assembly.leases.visibility_timeout == 33
    assert bootstrap.Clients.connect.call_args.kwargs == {"threads": 7}


def test_a_setting_of_one_number_leaves_the_other_to_the_map():
    service = bootstrap.overridden(MAPPED, Settings(concurrency=7))
    assert service == MAPPED.model_copy(update={"concurrency": 7})
    assert bootstrap.overridden(MAPPED, Settings()) == MAPPED


def test_a_loop_gets_its_times_in_seconds(built):
    seen = built()
    assert seen.config.receive_linger == pytest.approx(0.008)
    assert seen.config.receive_wait == Settings(stop_timeout=90).receive_wait
    assert seen.config.protect_after == 45
    assert seen.ports.agent is not None


def test_a_consumer_answers_for_its_loop(built):
    seen = built()
    assert seen.program.status.registry is seen.assembly.telemetry.registry
    assert seen.program.status.obstacles() == ["the queue does not answer"]
    assert seen.program.status.problems() == []


def test_metric_lines_are_written_only_for_a_named_environment(built):
    assert built().program.metric_lines is None
    assert built(environment="prod").program.metric_lines is not None
