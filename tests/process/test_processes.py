"""The supervisor keeps processes running, replaces and stops them, as ECS does with tasks."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from support.eventually import eventually

from local.child import NotReady
from local.processes import Processes

pytestmark = pytest.mark.process

# Answers /readyz with a given status; SIGTERM ends it with 0.
SERVICE = textwrap.dedent("""
    import os, signal, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(os.environ.get("STATUS", "200")))
            self.end_headers()

        def log_message(self, *_):
            pass

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("version", os.environ.get("VERSION", "1"), flush=True)
    HTTPServer(("127.0.0.1", int(os.environ["METRICS_PORT"])), Answer).serve_forever()
""")
STUBBORN = textwrap.dedent("""
    import signal, time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("up", flush=True)
    time.sleep(60)
""")


@pytest.fixture
def processes(tmp_path):
    with Processes(tmp_path, command=python(SERVICE), restart_delay=0.1) as some:
        yield some


def python(program):
    return lambda _service: [sys.executable, "-c", program]


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def names(processes):
    return [child.name for child in processes.children]


def test_a_process_that_dies_is_restarted_with_its_name_and_port(processes):
    processes.start("payment", os.environ)
    processes.wait_until_ready()
    [child] = processes.children
    first, port = child.pid, child.port
    os.kill(first, signal.SIGKILL)
    eventually(lambda: child.pid != first)
    processes.wait_until_ready()
    assert (names(processes), child.port) == (["payment-1"], port)
    assert (child.restarts, processes.restarts) == (1, 1)
    assert child.log.read_text() == "version 1\nversion 1\n"


def test_a_process_that_exits_with_0_is_restarted_too(tmp_path):
    with Processes(tmp_path, command=python("pass"), restart_delay=0.01) as processes:
        processes.start("payment", os.environ)
        eventually(lambda: processes.restarts >= 2)


def test_a_process_that_was_stopped_is_not_restarted(processes):
    processes.start("payment", os.environ, count=2)
    processes.wait_until_ready()
    assert processes.scale("payment", 1) == {"payment-2": 0}
    assert names(processes) == ["payment-1"]
    assert processes.restarts == 0


def test_a_stopped_process_is_not_restarted_while_others_are_still_stopping(tmp_path):
    # The first of them does not listen to SIGTERM.
    program = f"""
import os, time
try:
    os.mkdir({str(tmp_path / "first")!r})
except FileExistsError:
    print("up", flush=True)
    time.sleep(60)
{STUBBORN}"""
    with Processes(tmp_path, command=python(program), restart_delay=0.01) as processes:
        processes.start("payment", os.environ)
        eventually(lambda: processes.children[0].log.read_text() == "up\n")
        processes.scale("payment", 2)
        eventually(lambda: processes.children[1].log.read_text() == "up\n")
        codes = processes.scale("payment", 0, timeout=0.5)
        assert codes == {"payment-1": -signal.SIGKILL, "payment-2": -signal.SIGTERM}
        assert processes.restarts == 0


def test_scaling_out_starts_processes_with_the_same_environment(processes):
    processes.start("payment", {**os.environ, "VERSION": "7"})
    processes.scale("payment", 3)
    processes.wait_until_ready()
    children = processes.children
    assert [child.log.read_text() for child in children] == ["version 7\n"] * 3
    assert len({child.port for child in children}) == 3
    with pytest.raises(LookupError, match="inventory"):
        processes.scale("inventory", 2)


def test_a_deployment_starts_new_processes_before_it_stops_old_ones(processes):
    processes.start("payment", os.environ, count=2)
    processes.start("inventory", os.environ)
    processes.wait_until_ready()
    old = [child.pid for child in processes.children if child.service == "payment"]
    assert processes.replace("payment", {"VERSION": "2"}) == {"payment-1": 0, "payment-2": 0}
    assert not any(map(lives, old))
    assert names(processes) == ["inventory-1", "payment-3", "payment-4"]
    assert [child.log.read_text() for child in processes.children][1:] == ["version 2\n"] * 2


def test_a_deployment_that_does_not_become_ready_keeps_the_old_processes(processes, monkeypatch):
    monkeypatch.setattr("local.processes.READY_TIMEOUT", 0.5)
    processes.start("payment", os.environ)
    processes.wait_until_ready()
    with pytest.raises(NotReady, match="payment-2"):
        processes.replace("payment", {"STATUS": "503"})
    assert names(processes) == ["payment-1"]
    processes.wait_until_ready()


def test_a_stop_ends_all_processes_and_returns_their_exit_codes(processes):
    processes.start("payment", os.environ)
    processes.start("inventory", os.environ)
    processes.wait_until_ready()
    assert processes.stop() == {"payment-1": 0, "inventory-1": 0}
    assert processes.children == ()


def test_a_process_that_does_not_stop_in_time_is_killed(tmp_path):
    with Processes(tmp_path, command=python(STUBBORN)) as processes:
        processes.start("payment", os.environ)
        [child] = processes.children
        eventually(lambda: child.log.read_text() == "up\n")
        start = time.monotonic()
        assert processes.stop(timeout=0.2) == {"payment-1": -signal.SIGKILL}
        assert time.monotonic() - start < 20  # of the 60 s that it would take


def test_children_do_not_outlive_a_killed_parent(tmp_path):
    program = textwrap.dedent(f"""
        import os, pathlib, sys
        from local.processes import Processes
        command = [sys.executable, "-c", {STUBBORN!r}]
        processes = Processes(pathlib.Path({str(tmp_path)!r}), command=lambda _: command)
        processes.start("payment", os.environ, count=2)
        print(*(child.pid for child in processes.children), flush=True)
        sys.stdin.read()
    """)
    parent = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(map(lives, pids))
        parent.kill()
    eventually(lambda: not any(map(lives, pids)))


def test_ctrl_c_in_the_terminal_does_not_reach_the_children(processes):
    processes.start("payment", os.environ)
    [child] = processes.children
    assert os.getpgid(child.pid) != os.getpgrp()
