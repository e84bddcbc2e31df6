"""The life of a process, from its first answer to its exit code."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from workers import process
from workers.cli.console import USAGE
from workers.runtime.errors import FatalError, SettingsError, Unavailable
from workers.runtime.observability.health import STARTING, Status
from workers.runtime.worker import BROKEN
from workers.settings import Settings

SETTINGS = Settings(stop_timeout=90, metrics_port=0, sender_email="ada@example.com")
RUNNING = Status(problems=lambda: ["a poll does not return"], obstacles=lambda: ["stopping"])


class Broken(Exception):
    """Ends an endless loop."""


@pytest.fixture
def life(monkeypatch):
    """A process without sockets, threads and pauses; tells what happened in it."""
    seen = SimpleNamespace(alongside={}, naps=[], at_run=None, health=None)

    class Port:
        def __init__(self, status):
            seen.health = status

        def serve(self, port):
            return port

    class Worker:
        def __init__(self, _running, *, stop_timeout, alongside):
            seen.alongside, seen.stop_timeout = alongside, stop_timeout

        def run(self):
            seen.at_run = seen.health()
            return 75

        def problems(self):
            return ["the thread ack died"]

    def nap(seconds):
        seen.naps.append(seconds)
        if len(seen.naps) > 3:
            raise Broken

    monkeypatch.setattr(process, "Health", Port)
    monkeypatch.setattr(process, "Worker", Worker)
    monkeypatch.setattr(process.time, "sleep", nap)
    seen.clients = MagicMock()
    seen.program = process.Program(MagicMock(), RUNNING, seen.clients, None)
    return seen


def test_a_process_that_does_not_reach_aws_is_alive_but_not_ready(life):
    statuses = []

    def build():
        statuses.append(life.health())
        if len(statuses) < 3:
            raise Unavailable("no answer", dependency="sns")
        return life.program

    with capture_logs() as lines:
        assert process.run(build, SETTINGS) == 75

    assert statuses == [STARTING] * 3
    assert (STARTING.problems(), STARTING.obstacles()) == ([], ["starting"])
    assert len(life.naps) == 2
    events = [line["event"] for line in lines]
    assert events == ["worker.starting", "aws.unreachable", "aws.reachable"]


def test_once_it_runs_it_answers_for_its_threads_and_its_program(life):
    process.run(lambda: life.program, SETTINGS)

    assert life.at_run.problems() == ["the thread ack died", "a poll does not return"]
    assert life.at_run.obstacles() == ["stopping"]
    assert life.stop_timeout == 90


def test_a_process_that_can_never_run_is_broken(life):
    def build():
        raise FatalError("no such topic")

    with capture_logs() as lines:
        assert process.run(build, SETTINGS) == BROKEN
    assert lines[-1] == {
        "event": "worker.cannot_start",
        "log_level": "critical",
        "reason": "no such topic",
    }
    assert life.at_run is None


def test_a_setting_that_is_wrong_for_the_service_has_the_exit_code_of_settings(life):
    def build():
        raise SettingsError("STRIPE_API_KEY: must be set")

    with capture_logs() as lines:
        assert process.run(build, SETTINGS) == USAGE
    assert (lines[-1]["event"], lines[-1]["reason"]) == (
        "worker.cannot_start",
        "STRIPE_API_KEY: must be set",
    )
    assert life.at_run is None


def test_a_port_that_cannot_be_opened_names_its_setting():
    with pytest.raises(FatalError, match="PORT 80: Permission denied"), process.opening("PORT", 80):
        raise PermissionError(13, "Permission denied")


def test_credentials_are_kept_in_a_thread_of_their_own(life):
    process.run(lambda: life.program, SETTINGS)

    with pytest.raises(Broken):
        life.alongside["credentials"]()
    assert life.clients.refresh_credentials.call_count == 3


def test_metric_lines_are_written_alongside_and_at_the_end(life):
    lines = MagicMock()
    program = process.Program(MagicMock(), RUNNING, life.clients, lines)

    process.run(lambda: program, SETTINGS)

    assert life.alongside["metrics"] is lines.run
    lines.write.assert_called_once_with()


def test_the_start_is_logged_without_addresses_and_secrets(life):
    settings = SETTINGS.model_copy(update={"stripe_api_key": SecretStr("sk_live_secret")})
    with capture_logs() as lines:
        process.run(lambda: life.program, settings)
    shown = lines[0]["settings"]
    assert shown["stop_timeout"] == 90
    assert shown["sender_email"] == shown["stripe_api_key"] == "***"
    assert "environment" not in shown  # unset


def test_a_misspelt_setting_is_a_warning_without_its_value(life, monkeypatch):
    monkeypatch.setenv("STRIPE_API_KY", "sk_live_secret")
    with capture_logs() as lines:
        process.run(lambda: life.program, SETTINGS)
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert warning == {
        "event": "setting.misspelt",
        "log_level": "warning",
        "variable": "STRIPE_API_KY",
        "setting": "STRIPE_API_KEY",
    }
