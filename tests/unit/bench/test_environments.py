"""Peers are installed once, and what cannot be installed is not tried again."""

import pytest

from bench import environments
from bench.environments import NotInstalled
from bench.lineup import PEERS


@pytest.fixture
def attempts(tmp_path, monkeypatch):
    """Let every installation fail; the attempts."""
    made = []

    def fail(arguments):
        made.append(arguments)
        raise NotInstalled("no network")

    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "_run", fail)
    monkeypatch.setattr(environments, "_failed", {})
    monkeypatch.setattr(environments, "standin_python", lambda: "python")
    return made


def test_a_peer_that_cannot_be_installed_fails_again_at_once(attempts):
    for _ in range(3):
        with pytest.raises(NotInstalled, match="no network"):
            environments.command(PEERS["celery"])

    assert len(attempts) == 1


def test_all_peers_are_tried_before_anything_is_measured(attempts):
    told = []

    environments.prepare([PEERS["celery"], PEERS["naive"], PEERS["pyqs"]], told.append)

    assert told == ["celery: not installed: no network", "pyqs: not installed: no network"]
    assert len(attempts) == 2
