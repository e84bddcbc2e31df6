"""Runs a real process and reads its log, health port and exit code."""

import http.client
import json
import subprocess
from uuid import uuid4

from local.tcp_proxy import LOOPBACK
from support.eventually import eventually

PATIENCE = 60  # s; a machine may be busy with other tests


class Process:
    """A process, its log and its health port."""

    def __init__(self, command, environment, directory, stdout=None):
        self._out = directory / f"{uuid4().hex[:8]}.jsonl"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout or out,
                stderr=err,
            )

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process.poll() is None

    @property
    def stderr(self):
        return self._err.read_text()

    def lines(self, event=None, **fields):
        """Return the log lines so far with an event and these fields."""
        complete = self._out.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in complete.splitlines()]
        wanted = fields | ({"event": event} if event else {})
        return [line for line in lines if wanted.items() <= line.items()]

    def says(self, event, times=1, **fields):
        """Wait until the log has an event this many times."""
        try:
            eventually(lambda: len(self.lines(event, **fields)) >= times or self._ended(), PATIENCE)
        finally:
            if len(self.lines(event, **fields)) < times:
                raise AssertionError(f"no {event} {fields} in {self.lines()}\n{self.stderr}")

    def signal(self, *numbers):
        for number in numbers:
            self._process.send_signal(number)

    def ends(self, within=PATIENCE):
        """Wait for the end and return the exit code; fail after ``within`` s."""
        return self._process.wait(within)

    def get(self, path):
        """Send a request to the health port; return the status and the body."""
        self.says("worker.starting")
        port = self.lines("worker.starting")[0]["metricsPort"]
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @property
    def ready(self):
        return self.get("/readyz")[0] == http.client.OK

    @property
    def lives(self):
        return self.get("/livez")[0] == http.client.OK

    def metric(self, name):
        """Sum a metric over its labels."""
        rows = [line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines()]
        return sum(float(value) for label, value in rows if label.partition("{")[0] == name)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def _ended(self):
        return self._process.poll() is not None
