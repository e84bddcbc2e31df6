"""A real Prometheus with the alert rules, on the processes of a running system."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.eventually import eventually

from local import alerts
from local.ports import release_port, reserve_port
from local.processes import Processes
from local.tether import Tether

# Divides every time in the rules, and every threshold in seconds: an hour takes a minute.
HURRY = 60
# SQS allows 120,000 messages in flight. The rule is the same with another number.
THRESHOLDS = {"in-flight": 5}
EVERY = "500ms"  # between scrapes and between evaluations; a window of the rules has 2 s or more
START = 60.0  # s until Prometheus answers
PATIENCE = 120.0  # s until an alarm fires or ends, on a busy machine


class Watched:
    """A system whose alarms can be waited for."""

    def __init__(self, system, exporter, http, targets):
        self.system = system
        self._exporter = exporter
        self._http = http
        self._targets = targets  # file of the processes that Prometheus asks

    def find_processes(self):
        """Let Prometheus ask the processes that run now, as it finds tasks by their names."""
        children = (*self.system.processes.children, *self._exporter.children)
        document = [
            {"targets": [f"127.0.0.1:{child.port}"], "labels": {"service": child.service}}
            for child in children
        ]
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(document), "utf-8")
        new.rename(self._targets)

    def firing(self):
        """Return the alarms that fire: name and service."""
        answer = self._http.get("/api/v1/alerts").raise_for_status().json()
        return {
            (alert["labels"]["alertname"], alert["labels"]["service"])
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        }

    def fires(self, *wanted):
        """Wait until these alarms have fired; return how long each took."""
        return self._wait(lambda firing: set(wanted) & firing, wanted, "fired")

    def ends(self, *wanted):
        """Wait until these alarms no longer fire; return how long each took."""
        return self._wait(lambda firing: set(wanted) - firing, wanted, "ended")

    def _wait(self, done, wanted, what):
        started, took = time.monotonic(), {}
        while len(took) < len(wanted):
            passed = time.monotonic() - started
            took |= {name: round(passed, 1) for name in done(self.firing()) - took.keys()}
            missing = set(wanted) - took.keys()
            assert passed < PATIENCE, f"{missing} not {what} after {PATIENCE:.0f} s"
            time.sleep(0.2)
        return took


@contextmanager
def watched(system, directory):
    """Start Prometheus and the exporter of queue depths beside a running system."""
    port, targets = reserve_port(), directory / "targets.json"
    with (
        Processes(directory / "exporter", command=_exporter) as exporter,
        Tether() as tether,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        exporter.start("queues", system.processes.children[0].environment)
        exporter.wait_until_ready()
        watching = Watched(system, exporter, http, targets)
        watching.find_processes()
        process = _prometheus(directory, port, targets, tether)
        try:
            eventually(lambda: _is_ready(http), START)
            yield watching
        finally:
            process.kill()
            process.wait()
            release_port(port)


def _exporter(_service):
    return [sys.executable, "-m", "workers", "queues", "--metrics"]


def _prometheus(directory, port, targets, tether):
    topology = alerts.Topology.load()
    rules = alerts.Renderer(topology, hurry=HURRY, thresholds=THRESHOLDS).render(alerts.load())
    (directory / "alerts.yml").write_text(rules, "utf-8")
    config = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(directory / "alerts.yml")],
        "scrape_configs": [
            {
                "job_name": "workers",
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}],
            }
        ],
    }
    (directory / "prometheus.yml").write_text(json.dumps(config), "utf-8")
    with Path(directory / "prometheus.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [  # noqa: S607 - wherever it is installed
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            process_group=tether.group,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _is_ready(http):
    try:
        return http.get("/-/ready").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
