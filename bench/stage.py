"""Runs the processes of one run: its own stand-in for AWS, and the peer."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench import environments
from bench.lineup import Peer
from bench.processes import Memory, cpu_seconds, memory
from local.tether import Tether

_LOOPBACK = "127.0.0.1"
_ROOT = Path(__file__).parents[1]
_CHUNK = 1_000  # messages per request to the stand-in
_ASK_TIMEOUT = 30.0  # s
_GRACE = 3.0  # s from SIGTERM to SIGKILL


class Died(Exception):
    """A peer ended by itself or did not work; the message quotes its log."""


@dataclass(frozen=True)
class Staging:
    """The configuration of a run."""

    peer: Peer
    concurrency: int
    visibility_timeout: int  # s
    faults: dict[str, float]
    replicas: int
    trace: Path | None
    log: Path


@dataclass
class Stage:
    """A running stand-in, and the processes of the peer."""

    staging: Staging
    tether: Tether
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL of the queue."""
        return f"http://{_LOOPBACK}:{self.port}/000000000000/{self.staging.peer.queue}"

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
            self.processes += [
                subprocess.Popen(  # noqa: S603 - a program of this folder
                    command,
                    env=self._environment(),
                    cwd=environments.HOME,
                    process_group=self.tether.group,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                for _ in range(self.staging.replicas)
            ]
        self.ask("watch", pids=[process.pid for process in self.processes])

    def check(self) -> None:
        """Raise ``Died`` if a process of the peer has ended."""
        for process in self.processes:
            if process.poll() is not None:
                raise Died(f"exited with code {process.returncode}: {self.last_line()}")

    def last_line(self) -> str:
        """Return the last line of the peer's log."""
        lines = self.staging.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    def cpu_seconds(self) -> float:
        """Return the CPU time of the peer so far (s)."""
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def memory(self) -> list[Memory]:
        """Read the memory of each replica of the peer."""
        return [memory(process.pid) for process in self.processes]

    def _environment(self) -> dict[str, str]:
        """Return an environment in which AWS clients use only the stand-in."""
        staging = self.staging
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "BENCH_"))}
        return mine | {
            "AWS_ENDPOINT_URL": f"http://{_LOOPBACK}:{self.port}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": _LOOPBACK,
            "PYTHONPATH": str(_ROOT / "bench" / "peers"),
            "BENCH_QUEUE": staging.peer.queue,
            "BENCH_QUEUE_URL": self.url,
            "BENCH_CONCURRENCY": str(staging.concurrency),
            "BENCH_VISIBILITY_TIMEOUT": str(staging.visibility_timeout),
            **({"BENCH_TRACE": str(staging.trace)} if staging.trace else {}),
            **{k: v.format(url=self.url) for k, v in staging.peer.environment.items()},
        }


@contextmanager
def staged(staging: Staging) -> Iterator[Stage]:
    """Start the stand-in; the block starts the peer. All processes have ended afterwards."""
    python = environments.standin_python()
    with Tether() as tether, _standin(python, tether) as (server, port):
        stage = Stage(staging, tether, port)
        try:
            stage.ask(
                "configure",
                queue=staging.peer.queue,
                visibility_timeout=staging.visibility_timeout,
                faults=staging.faults,
            )
            yield stage
            _terminate(stage.processes)
        finally:
            os.killpg(tether.group, signal.SIGKILL)  # only processes that this stage started
            for process in (*stage.processes, server):
                process.wait()


@contextmanager
def _standin(python: str, tether: Tether) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with subprocess.Popen(  # noqa: S603 - our own module
        [python, "-m", "bench.standin"],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        process_group=tether.group,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as server:
        line = server.stdout.readline() if server.stdout else b""
        if not line:
            raise Died("the stand-in did not start")
        yield server, int(line)


def _terminate(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM and wait up to ``_GRACE`` s, so that logs are complete."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
