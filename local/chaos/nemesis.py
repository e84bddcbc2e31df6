"""Does to the system what the schedule says."""

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
GLANCE: Final = 0.1  # s
PAUSE: Final = 2.0  # s by which a stopped worker outlasts the visibility timeout


class Nemesis:
    """Kills, stops and replaces processes. What takes long is done on the side."""

    def __init__(
        self,
        system: System,
        actions: Sequence[Action],
        *,
        seed: int,
        visibility_timeout: float,
        wires: Mapping[str, TcpProxy],
    ) -> None:
        """``wires``: between a process and AWS, by its name."""
        self.done: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()  # by the name of the process
        self._system = system
        self._ahead = list(actions)
        self._dice = random.Random(f"{seed}-nemesis")  # noqa: S311 - repeatable on purpose
        self._hidden = visibility_timeout
        self._wires = wires
        self._side = ThreadPoolExecutor(4)
        self._under_way: list[Future[None]] = []

    def act(self, placed: int) -> None:
        """Do everything that is due."""
        while self._ahead and self._ahead[0].due <= placed:
            action = self._ahead.pop(0)
            match action.fault:
                case "kill":
                    self._kill(action.service)
                case "stop":
                    self._under_way.append(self._side.submit(self._stop, action.service))
                case "partition":
                    self._under_way.append(self._side.submit(self._cut_off))
                case "deploy":
                    self._under_way.append(self._side.submit(self._deploy))

    def calm_down(self) -> None:
        """Wait for what is under way; every process goes on."""
        wait(self._under_way)
        self._side.shutdown()
        for child in self._system.processes.children:
            _signal(child, signal.SIGCONT)
        for future in self._under_way:
            future.result()

    def _kill(self, service: str) -> None:
        """Kill a process of the service; of another one if that has just died."""
        everything = [child for child in self._system.processes.children if not child.leaving]
        for candidates in (self._of(service), everything):
            alive = [child for child in candidates if child.exit_code is None]
            if alive and _signal(child := self._dice.choice(alive), signal.SIGKILL):
                self.kills[child.name] += 1
                self.done["kill"] += 1
                return

    def _stop(self, service: str) -> None:
        """Stop a worker for so long that others get its messages, then let it go on."""
        processes = self._system.processes
        running = self._of(service)
        victim = running[0]
        processes.scale(service, len(running) + 1)
        _until_ready(victim)
        if _signal(victim, signal.SIGSTOP):
            self.done["stop"] += 1
        time.sleep(self._hidden + PAUSE)
        _signal(victim, signal.SIGCONT)
        self._back_to(service, len(running))

    def _cut_off(self) -> None:
        """Let nothing pass between a worker and AWS, while another works, and then all again."""
        name, wire = self._dice.choice(list(self._wires.items()))
        service = name.rpartition("-")[0]
        running = len(self._of(service))
        self._system.processes.scale(service, running + 1)
        wire.black_hole()
        self.done["partition"] += 1
        time.sleep(self._hidden + PAUSE)
        wire.heal()
        self._back_to(service, running)

    def _back_to(self, service: str, count: int) -> None:
        """End the newest once they are up: a SIGTERM during the start is no deploy."""
        for child in self._of(service)[count:]:
            _until_ready(child)
        self._system.processes.scale(service, count)

    def _deploy(self) -> None:
        """End each process with SIGTERM; the supervisor starts the next."""
        for child in self._system.processes.children:
            _until_ready(child)
            before = child.pid
            if not child.leaving and _signal(child, signal.SIGTERM):
                _until_ready(child, not_as=before)
        self.done["deploy"] += 1

    def _of(self, service: str) -> list[Child]:
        return [
            child
            for child in self._system.processes.children
            if child.service == service and not child.leaving
        ]


def _until_ready(child: Child, *, not_as: int = 0) -> None:
    """Wait until a process is up, not as the one with a certain pid, but not for ever."""
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline and not child.leaving:
        if child.pid != not_as and child.is_ready():
            return
        time.sleep(GLANCE)


def _signal(child: Child, number: signal.Signals) -> bool:
    """Send a signal; False if the process has ended."""
    if child.exit_code is not None:
        return False
    os.kill(child.pid, number)
    return True
