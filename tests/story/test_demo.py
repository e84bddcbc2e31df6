"""The demo's scenarios run end to end, with every service as a process."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread

import pytest

from local.demo.run import Demo
from local.system import System
from workers.ops.books import Library
from workers.ops.reconcile import Reconciliation

pytestmark = [pytest.mark.story, pytest.mark.timeout(300)]


def test_every_expectation_of_the_demo_holds(tmp_path):
    demo = subprocess.run(
        [sys.executable, "-m", "workers", "demo", "--orders", "8", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )

    document = json.loads(demo.stdout)
    assert [check for check in document["checks"] if not check["ok"]] == []
    assert (demo.returncode, document["ok"], document["doubleCharges"]) == (0, True, 0)
    assert document["orders"]["total"] == 8
    assert [letter["type"] for letter in document["deadLetters"]] == ["malformed"]


def test_killing_workers_changes_nothing(tmp_path):
    with System(tmp_path / "logs") as system:
        with killing(system):
            result = Demo(system, orders=30, seed=3, show=lambda _: None).run()

        assert [check for check in result.checks if not check.held] == []
        assert result.evidence.restarts >= len(system.topology.services)
        assert differences(system) == []


def differences(system):
    """Reconcile the books of a system at rest."""
    library = Library(system.clients.dynamodb(), system.settings, system.topology)
    at_rest = timedelta()
    run = Reconciliation(library, datetime.now(UTC), lambda _service: 0, at_rest)
    return list(run.differences())


class killing:  # noqa: N801 - reads like a verb
    """Kill a process of every service, one after the other.

    Once each: a message that is being handled at four kills looks like poison.
    """

    def __init__(self, system):
        self._system = system
        self._enough = Flag()
        self._thread = Thread(target=self._run)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._enough.set()
        self._thread.join()

    def _run(self):
        for service in self._system.topology.services:
            if self._enough.wait(1.0):
                return
            for child in self._system.processes.children:
                if child.service == service and child.exit_code is None and not child.stopping:
                    os.kill(child.pid, signal.SIGKILL)
                    break
