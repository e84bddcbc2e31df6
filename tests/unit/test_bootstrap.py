"""What the composition root hands to whom."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from workers import bootstrap
from workers.runtime.observability.health import Health
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT, Topology


@pytest.fixture
def parts():
    topology = Topology.load()
    return bootstrap.Parts(
        name="payment",
        settings=Settings(receive_linger_ms=8, stop_timeout=90),
        service=topology.services["payment"],
        clients=MagicMock(),
        topic=MagicMock(),
        health=Health(),
    )


@pytest.fixture
def wired(parts, monkeypatch):
    """What the receive loop is made of."""
    seen = {}
    monkeypatch.setattr(bootstrap, "names", MagicMock())
    monkeypatch.setattr(bootstrap, "receive_loop", lambda _name, **options: seen.update(options))
    monkeypatch.setenv("ECS_AGENT_URI", "http://169.254.170.2/agent")
    bootstrap._consumer(parts)  # noqa: SLF001 - the wiring is what is tested
    return SimpleNamespace(**seen)


def test_a_loop_gets_the_limits_of_the_map(wired, parts):
    assert wired.max_receives == MAX_RECEIVE_COUNT == 1_000
    assert wired.max_attempts == parts.service.max_attempts
    assert wired.concurrency == parts.service.concurrency
    assert wired.visibility_timeout == parts.service.visibility_timeout


def test_and_its_times_in_seconds(wired, parts):
    assert wired.receive_linger == pytest.approx(0.008)
    assert wired.receive_wait == parts.settings.receive_wait
    assert wired.protect_after == 45
    assert wired.agent is not None


def test_a_worker_runs_beside_a_thread_that_keeps_its_credentials(parts, monkeypatch):
    seen = {}

    class Stopped:
        def __init__(self, _running, *, stop_timeout, alongside):
            seen.update(alongside, stop_timeout=stop_timeout)

        def run(self):
            return 0

    monkeypatch.setattr(bootstrap.Parts, "of", lambda *_args: parts)
    monkeypatch.setattr(bootstrap, "_build", lambda _parts: MagicMock())
    monkeypatch.setattr(bootstrap, "Worker", Stopped)
    monkeypatch.setattr(Health, "serve", lambda _self, port: port)

    assert bootstrap.run("payment", parts.settings, Topology.load()) == 0

    assert seen["stop_timeout"] == 90
    naps = iter([None, None])
    monkeypatch.setattr(bootstrap.time, "sleep", lambda _seconds: next(naps))
    with pytest.raises(StopIteration):
        seen["credentials"]()
    assert parts.clients.refresh_credentials.call_count == 2
