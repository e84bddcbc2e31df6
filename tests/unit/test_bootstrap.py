"""The composition root passes on the numbers of map and settings."""

import json
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from support.builders import an_envelope, an_order

from workers import bootstrap
from workers.envelope import ForeignSource
from workers.runtime.assembly import assemble
from workers.runtime.memory import INBOX_RETENTION
from workers.settings import Settings
from workers.signing import Unsigned
from workers.topology import MAX_RECEIVE_COUNT, Topology

MAPPED = Topology.load().services["payment"]


@pytest.fixture
def built(monkeypatch):
    """Build payment; returns the ports and numbers of its receive loop, and the program."""
    seen = SimpleNamespace()

    def spy(handlers, decode, ports, config, *, sign):
        seen.ports, seen.config, seen.decode, seen.sign = ports, config, decode, sign
        seen.assembly = assemble(handlers, decode, ports, config, sign=sign)
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


def test_a_consumer_believes_the_sources_on_the_map_only(built):
    decode = built().decode
    assert decode(an_envelope(an_order()).encode()).source == "order-api"
    with pytest.raises(ForeignSource):
        decode(an_envelope(an_order(), source="analytics").encode())


def test_a_consumer_signs_and_requires_signatures_as_it_is_told(built):
    keys = {"signing_key_id": "key", "signing_keys": json.dumps({"key": "k" * 32})}
    assert built().sign is None
    required = built(signing="require", **keys)
    body = an_envelope(an_order()).encode()
    with pytest.raises(Unsigned):
        required.decode(body)
    assert required.decode(required.sign(body)) == an_envelope(an_order())
    assert built(signing="sign", **keys).decode(body) == an_envelope(an_order())


def test_a_consumer_takes_events_of_as_many_days_as_its_inbox_remembers(built):
    assert built().config.max_event_age == INBOX_RETENTION.total_seconds()
    assert built(max_event_age=400).config.max_event_age == 400 * 86_400
