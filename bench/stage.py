"""Runs the processes of one run: its own stand-in for AWS, and the peer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, BinaryIO

from bench import environments
from bench.processes import Memory, cpu_seconds, memory
from bench.staging import ROOT, Staging, environment_of
from bench.tls import create_certificate
from local.tether import Tether

_LOOPBACK = "127.0.0.1"
TOPIC = "order-events"
TABLES = ("payment",)
_CHUNK = 1_000  # messages per request to the stand-in
_ASK_TIMEOUT = 30.0  # s
# s from SIGTERM to SIGKILL. The figures have been taken by then; what takes longer waits for its
# long poll to end, as runtimes do that lose no message.
_GRACE = 0.3
_PROVISIONING = 60.0  # s; it takes 2


class Died(Exception):
    """A peer ended by itself or did not work; the message quotes its log."""


@dataclass
class Stage:
    """A running stand-in, and the processes of the peer."""

    staging: Staging
    tether: Tether
    port: int
    standin: int  # its process id
    endpoint: str  # for clients of AWS
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)  # of services, by process

    def ask(self, what: str, **fields: object) -> Any:
        """Send a request to the control interface of the stand-in."""
        timeout = _ASK_TIMEOUT + float(fields.get("timeout", 0))  # type: ignore[arg-type]  # a number
        connection = HTTPConnection(_LOOPBACK, self.port, timeout=timeout)
        try:
            connection.request("POST", f"/bench/{what}", json.dumps(fields))
            return json.load(connection.getresponse())
        finally:
            connection.close()

    def load(self, bodies: Sequence[str], delays: Sequence[float]) -> None:
        """Load messages into the stand-in, which holds them until the request ``release``."""
        queue = self.staging.peer.queue
        messages = [(queue, body, delay) for body, delay in zip(bodies, delays, strict=True)]
        for begin in range(0, len(messages), _CHUNK):
            self.ask("load", messages=messages[begin : begin + _CHUNK])

    def start_peer(self, command: Sequence[str]) -> None:
        """Start the peer's processes."""
        with self.staging.log.open("wb") as log:
            for _ in range(self.staging.replicas):
                self._start(command, log)
        self.ask("watch", pids=[process.pid for process in self.processes])

    def start_service(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start one service of a shop, with a log of its own."""
        log_path = self.staging.log.with_suffix(f".{name}.log")
        with log_path.open("wb") as log:
            process = self._start(command, log, environment)
        self.logs[process.pid] = log_path
        return process

    def provision(self) -> None:
        """Create the resources of the shop. Raises ``Died``."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bench.resources"],
                env=environment_of(self.staging, self.endpoint) | {"PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                check=False,
                timeout=_PROVISIONING,
            )
        except subprocess.TimeoutExpired:
            raise Died(f"the resources were not created in {_PROVISIONING:.0f} s") from None
        if done.returncode:
            raise Died(f"the resources were not created: {done.stderr.strip()[-200:]}")

    def _start(
        self, command: Sequence[str], log: BinaryIO, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - a program of this folder
            command,
            env=environment_of(self.staging, self.endpoint) | dict(environment or {}),
            cwd=environments.HOME,
            process_group=self.tether.group,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        return process

    def check(self) -> None:
        """Raise ``Died`` if a process of the peer has ended."""
        for process in self.processes:
            if process.poll() is not None:
                line = self.last_line(self.logs.get(process.pid))
                raise Died(f"exited with code {process.returncode}: {line}")

    def last_line(self, log: Path | None = None) -> str:
        """Return the last line of the peer's log."""
        path = log or self.staging.log
        lines = path.read_text("utf-8", "replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else "its log is empty"

    def cpu_seconds(self) -> float:
        """Return the CPU time of the peer so far (s)."""
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def memory(self) -> list[Memory]:
        """Read the memory of each replica of the peer."""
        return [memory(process.pid) for process in self.processes]


@contextmanager
def staged(staging: Staging) -> Iterator[Stage]:
    """Start the stand-in; the block starts the peer. All processes have ended afterwards."""
    python = environments.standin_python()
    if staging.tls:
        create_certificate(staging.certificate)
    with Tether() as tether, _standin(python, tether, staging) as (server, ports):
        scheme = "https" if staging.tls else "http"
        stage = Stage(staging, tether, ports[0], server.pid, f"{scheme}://{_LOOPBACK}:{ports[-1]}")
        try:
            stage.ask(
                "configure",
                queue=staging.peer.queue,
                visibility_timeout=staging.visibility_timeout,
                faults=staging.faults,
                topic=TOPIC,
                tables=TABLES,
            )
            yield stage
            _terminate(stage.processes)
        finally:
            os.killpg(tether.group, signal.SIGKILL)  # only processes that this stage started
            for process in (*stage.processes, server):
                process.wait()


@contextmanager
def _standin(
    python: str, tether: Tether, staging: Staging
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    with subprocess.Popen(  # noqa: S603 - our own module
        [python, "-m", "bench.standin", *([str(staging.certificate)] if staging.tls else [])],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        process_group=tether.group,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as server:
        line = server.stdout.readline() if server.stdout else b""
        if not line:
            raise Died("the stand-in did not start")
        yield server, [int(port) for port in line.split()]


def _terminate(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM and wait up to ``_GRACE`` s, so that logs are complete."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
