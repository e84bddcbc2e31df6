"""Runs services as supervised processes on this machine, as ECS runs them as tasks."""

import itertools
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Final, Self

from local.child import Child, Lives, NotReady, no_additions, wait_until_ready
from local.ports import release_port, reserve_port
from local.tether import Tether

STOP_TIMEOUT: Final = 30.0  # s; the default of ECS between SIGTERM and SIGKILL
READY_TIMEOUT: Final = 60.0  # s
_RESTART_DELAY: Final = 1.0  # s
_POLL_INTERVAL: Final = 0.1  # s


def run_service(service: str) -> Sequence[str]:
    """Return the command that runs a service."""
    return [sys.executable, "-m", "workers", "run", service]


class Processes:
    """Starts processes, and restarts those that end by themselves, until ``stop``.

    They end when this process ends, whatever the cause, and Ctrl-C reaches only this process.
    Their output goes to ``<directory>/<name>.log``. Thread-safe.
    """

    def __init__(
        self,
        directory: Path,
        *,
        command: Callable[[str], Sequence[str]] = run_service,
        lives: Lives = no_additions,
        restart_delay: float = _RESTART_DELAY,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """``tell`` gets a line when a process ends by itself."""
        self.restarts = 0  # of all processes, including those that have been stopped
        self.exits: list[tuple[str, int]] = []  # name and exit code of every process that has ended
        self._directory = directory
        self._command = command
        self._lives = lives
        self._restart_delay = restart_delay
        self._tell = tell
        self._tether = Tether()
        self._children: list[Child] = []
        self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._lock = RLock()
        self._stopped = Event()
        self._supervisor = Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()

    def start(self, service: str, environment: Mapping[str, str], *, count: int = 1) -> None:
        """Start ``count`` processes of a service, each with a ``METRICS_PORT`` of its own."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            self._start(service, environment)

    def scale(self, service: str, count: int, *, timeout: float = STOP_TIMEOUT) -> dict[str, int]:
        """Start or stop processes until ``count`` run. Returns exit codes by name.

        New processes copy the environment of the oldest. Raises ``LookupError`` if none runs.
        """
        children = self._of(service)
        if not children:
            raise LookupError(f"no running process of {service} to copy the environment from")
        self.start(service, children[0].environment, count=max(0, count - len(children)))
        return self._end(children[count:], timeout)

    def replace(
        self, service: str, changes: Mapping[str, str], *, timeout: float = STOP_TIMEOUT
    ) -> dict[str, int]:
        """Deploy: start new processes with a changed environment, then stop the old ones.

        Raises ``NotReady``, and keeps the old processes, if a new one does not become ready.
        """
        old = self._of(service)
        new = [self._start(service, {**child.environment, **changes}) for child in old]
        try:
            wait_until_ready(new, READY_TIMEOUT)
        except NotReady:
            self._end(new, timeout)
            raise
        return self._end(old, timeout)

    def restart(
        self, service: str, changes: Mapping[str, str], *, timeout: float = STOP_TIMEOUT
    ) -> dict[str, int]:
        """Stop the processes of a service, then start as many with a changed environment.

        Unlike ``replace`` it frees a port that only one process can have. Returns the exit codes by
        name. Raises ``LookupError`` if none runs, ``NotReady`` if a new one does not become ready.
        """
        old = self._of(service)
        if not old:
            raise LookupError(f"no process of {service} runs")
        codes = self._end(old, timeout)
        new = [self._start(service, {**child.environment, **changes}) for child in old]
        wait_until_ready(new, READY_TIMEOUT)
        return codes

    def wait_until_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until every process is ready. Raises ``NotReady``."""
        wait_until_ready(self.children, timeout)

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes that run or wait for a restart."""
        with self._lock:
            return tuple(self._children)

    def stop(self, timeout: float = STOP_TIMEOUT) -> dict[str, int]:
        """Send SIGTERM to all, SIGKILL after ``timeout`` s. Returns exit codes by name."""
        self._stopped.set()
        self._supervisor.join()
        codes = self._end(self.children, timeout)
        self._tether.release()
        return codes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, service: str, environment: Mapping[str, str]) -> Child:
        with self._lock:
            name = f"{service}-{next(self._numbers[service])}"
            child = Child(
                service=service,
                name=name,
                command=self._command(service),
                environment=dict(environment),
                group=self._tether.group,
                port=reserve_port(),
                log=self._directory / f"{name}.log",
                lives=self._lives,
            )
            child.start()
            self._children.append(child)
            return child

    def _of(self, service: str) -> list[Child]:
        with self._lock:
            return [child for child in self._children if child.service == service]

    def _end(self, children: Sequence[Child], timeout: float) -> dict[str, int]:
        with self._lock:
            for child in children:
                child.terminate()
        deadline = time.monotonic() + timeout
        codes = {child.name: child.wait(deadline - time.monotonic()) for child in children}
        with self._lock:
            self.exits += codes.items()
            self._children = [child for child in self._children if child.name not in codes]
        for child in children:
            release_port(child.port)
        return codes

    def _supervise(self) -> None:
        while not self._stopped.wait(_POLL_INTERVAL):
            with self._lock:
                for child in self._children:
                    self._restart_if_dead(child, time.monotonic())

    def _restart_if_dead(self, child: Child, now: float) -> None:
        if child.stopping or child.exit_code is None:
            return
        if child.died_at is None:
            child.died_at = now
            self.exits.append((child.name, child.exit_code))
            self._tell(
                f"{child.name} ended with {child.exit_code} and is restarted (see {child.log})"
            )
        if now - child.died_at >= self._restart_delay:
            child.restarts += 1
            self.restarts += 1
            child.start()
