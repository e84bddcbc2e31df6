"""``workers local`` is a tool: one system per directory, shown and restarted from outside."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.eventually import eventually

from local.control import NotRunning, Refused, ask, listening
from local.lock import Taken, exclusive
from local.ports import release_port, require_free, reserve_port

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
PATIENCE = 90  # s; a machine may be busy
WORKERS = (sys.executable, "-m", "workers")


class Local:
    """A running ``workers local`` in its own directory."""

    def __init__(self, directory, port):
        self.directory, self.port = directory, port
        self.output = directory / "output.txt"

    def run(self, *arguments, code=0):
        done = subprocess.run(  # noqa: S603 - our own program
            [*WORKERS, "local", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout or done.stderr

    def processes(self):
        return {
            each["process"].rpartition("-")[0]: each
            for each in json.loads(self.run("status", "--json"))["processes"]
        }


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    directory = tmp_path_factory.mktemp("local")
    port = reserve_port()
    found = Local(directory, port)
    command = [*WORKERS, "local", "--port", str(port), "--endpoint-port", "0"]
    with (
        found.output.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=directory, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            eventually(lambda: "Press Ctrl-C" in found.output.read_text(), PATIENCE)
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    release_port(port)


def test_a_second_system_is_refused_and_the_logs_stay(local):
    logs = sorted((local.directory / ".workers/local").iterdir())

    said = local.run("--port", "0", code=1)

    assert "a system already runs here, started by process" in said
    assert sorted((local.directory / ".workers/local").iterdir()) == logs


def test_a_taken_port_is_found_before_the_logs_of_the_last_run_are_deleted(local, tmp_path):
    old = tmp_path / ".workers/local/payment-1.log"
    old.parent.mkdir(parents=True)
    old.touch()
    assert f"port {local.port}: " in Local(tmp_path, 0).run("--port", str(local.port), code=1)
    assert old.exists()


def test_the_status_names_processes_and_addresses(local):
    found = json.loads(local.run("status", "--json"))
    assert found["api"] == f"http://127.0.0.1:{local.port}"
    payment = local.processes()["payment"]
    assert (payment["state"], payment["restarts"], payment["exits"]) == ("ready", 0, "-")
    os.kill(payment["pid"], 0)
    assert "payment-1" in local.run("status")


def test_the_socket_belongs_to_its_owner_only(local):
    mode = (local.directory / ".workers/local.sock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_process_that_ends_is_told_at_once_and_restarted(local):
    os.kill(local.processes()["analytics"]["pid"], signal.SIGKILL)
    eventually(
        lambda: "analytics-1 ended with -9 and is restarted" in local.output.read_text(), PATIENCE
    )
    eventually(lambda: local.processes()["analytics"]["state"] == "ready", PATIENCE)
    analytics = local.processes()["analytics"]
    assert (analytics["restarts"], analytics["exits"]) == (1, "-9")


@pytest.mark.parametrize("service", ["payment", "order-api"])
def test_a_restarted_service_has_the_changed_environment(local, service):
    before = local.processes()[service]["pid"]

    said = local.run("restart", service, "--env", "ALLOW_SIMULATION=false")

    after = local.processes()[service]
    assert "ended with 0" in said
    assert after["pid"] != before
    assert after["state"] == "ready"
    environment = Path(f"/proc/{after['pid']}/environ").read_bytes().split(b"\0")
    assert b"ALLOW_SIMULATION=false" in environment


def test_wrong_arguments_are_usage_errors(local):
    assert "Services: " in local.run("restart", "nobody", code=2)
    assert "secret" not in local.run("restart", "payment", "--env", "secret", code=2)


def test_without_a_system_the_status_says_how_to_start_one(tmp_path):
    assert "`workers local` starts one" in Local(tmp_path, 0).run("status", code=1)


def test_a_lock_is_free_again_after_the_block(tmp_path):
    path = tmp_path / "run" / "lock"
    with exclusive(path), pytest.raises(Taken, match=str(os.getpid())), exclusive(path):
        pass
    with exclusive(path):
        pass


@contextmanager
def listener():

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named_and_a_reserved_one_is_free():
    with listener() as port, pytest.raises(OSError, match=f"port {port}: "):
        require_free(port)
    port = reserve_port()
    require_free(port)
    release_port(port)


def test_a_request_that_is_none_is_refused_and_the_next_one_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("control.sock")

    def refuse():
        raise Refused("not now")

    before = threading.active_count()
    with listening(path, {"add": lambda a, b: a + b, "refuse": refuse}):
        for action, message in (("other", "not a request"), ("refuse", "not now")):
            with pytest.raises(Refused, match=message):
                ask(path, action)
        with pytest.raises(Refused, match="not a request"):
            ask(path, "add", c=1)
        assert ask(path, "add", a=1, b=2) == 3
    with pytest.raises(NotRunning):
        ask(path, "add", a=1, b=2)
    eventually(lambda: threading.active_count() == before, 5)
