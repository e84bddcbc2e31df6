"""Injects the scheduled faults into the processes of the system."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from local.chaos.schedule import Action
from local.child import Child
from local.system import System
from local.tcp_proxy import TcpProxy

READY_TIMEOUT: Final = 60.0  # s
POLL_INTERVAL: Final = 0.1  # s
PAUSE: Final = 2.0  # s that a stop lasts beyond the visibility timeout


class Nemesis:
    """Kills, stops and replaces processes. Long faults run in the background."""

    def __init__(
        self,
        system: System,
        actions: Sequence[Action],
        *,
        seed: int,
        visibility_timeout: float,
        proxies: Mapping[str, TcpProxy],
    ) -> None:
        """``proxies``: between a process and AWS, by the name of the process."""
        self.done: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()  # by process name
        self._system = system
        self._scheduled = list(actions)
        self._rng = random.Random(f"{seed}-nemesis")  # noqa: S311 - repeatable on purpose
        self._hidden = visibility_timeout
        self._proxies = proxies
        self._background = ThreadPoolExecutor(4)
        self._running: list[Future[None]] = []

    def act(self, placed: int) -> None:
        """Inject every fault that is due after ``placed`` orders."""
        while self._scheduled and self._scheduled[0].due <= placed:
            action = self._scheduled.pop(0)
            match action.fault:
                case "kill":
                    self._kill(action.service)
                case "stop":
                    self._running.append(self._background.submit(self._stop, action.service))
                case "partition":
                    self._running.append(self._background.submit(self._cut_off))
                case "deploy":
                    self._running.append(self._background.submit(self._deploy))

    def calm_down(self) -> None:
        """Wait for the faults in progress, and let every process continue."""
        wait(self._running)
        self._background.shutdown()
        for child in self._system.processes.children:
            _signal(child, signal.SIGCONT)
        for future in self._running:
            future.result()

    def _kill(self, service: str) -> None:
        """Kill a process of the service, or of another one if none is alive."""
        everything = [child for child in self._system.processes.children if not child.stopping]
        for candidates in (self._of(service), everything):
            alive = [child for child in candidates if child.exit_code is None]
            if alive and _signal(child := self._rng.choice(alive), signal.SIGKILL):
                self.kills[child.name] += 1
                self.done["kill"] += 1
                return

    def _stop(self, service: str) -> None:
        """Stop a worker until others receive its messages, then let it continue."""
        processes = self._system.processes
        running = self._of(service)
        victim = running[0]
        processes.scale(service, len(running) + 1)
        _until_ready(victim)
        if _signal(victim, signal.SIGSTOP):
            self.done["stop"] += 1
        time.sleep(self._hidden + PAUSE)
        _signal(victim, signal.SIGCONT)
        self._scale_down(service, len(running))

    def _cut_off(self) -> None:
        """Cut a worker off from AWS while another works, then reconnect it."""
        name, proxy = self._rng.choice(list(self._proxies.items()))
        service = name.rpartition("-")[0]
        running = len(self._of(service))
        self._system.processes.scale(service, running + 1)
        proxy.black_hole()
        self.done["partition"] += 1
        time.sleep(self._hidden + PAUSE)
        proxy.heal()
        self._scale_down(service, running)

    def _scale_down(self, service: str, count: int) -> None:
        """Stop the newest processes once they are ready: this is no test of SIGTERM at start-up."""
        for child in self._of(service)[count:]:
            _until_ready(child)
        self._system.processes.scale(service, count)

    def _deploy(self) -> None:
        """End each process with SIGTERM; the supervisor restarts it."""
        for child in self._system.processes.children:
            _until_ready(child)
            before = child.pid
            if not child.stopping and _signal(child, signal.SIGTERM):
                _until_ready(child, not_as=before)
        self.done["deploy"] += 1

    def _of(self, service: str) -> list[Child]:
        return [
            child
            for child in self._system.processes.children
            if child.service == service and not child.stopping
        ]


def _until_ready(child: Child, *, not_as: int = 0) -> None:
    """Wait up to ``READY_TIMEOUT`` s until a process is ready under a pid other than ``not_as``."""
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline and not child.stopping:
        if child.pid != not_as and child.is_ready():
            return
        time.sleep(POLL_INTERVAL)


def _signal(child: Child, number: signal.Signals) -> bool:
    """Send a signal; False if the process has ended."""
    if child.exit_code is not None:
        return False
    os.kill(child.pid, number)
    return True
