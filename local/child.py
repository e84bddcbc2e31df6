"""One service process of this machine."""

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOPBACK: Final = "127.0.0.1"
_ASK_TIMEOUT: Final = 1.0  # s
_ASK_AGAIN: Final = 0.1  # s


# What the n-th life of a process, counted from 0, gets into its environment.
Lives = Callable[[str, int], Mapping[str, str]]


def alike(_name: str, _life: int) -> Mapping[str, str]:
    """Let every life of a process be like the others."""
    return {}


class NotReady(Exception):
    """A process did not get ready in time; the text names it and its log."""


@dataclass
class Child:
    """A process that is started again under the same name, port and log."""

    service: str
    name: str  # "payment-1"
    command: Sequence[str]
    environment: Mapping[str, str]
    group: int  # the process group to join
    port: int  # of /metrics, /livez, /readyz
    log: Path
    lives: Lives = alike
    restarts: int = 0
    died_at: float | None = None  # seen dead, to be started again
    leaving: bool = False  # told to end
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                self.command,
                env={
                    **self.environment,
                    "METRICS_PORT": str(self.port),
                    **self.lives(self.name, self.restarts),
                },
                process_group=self.group,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.died_at = None

    @property
    def pid(self) -> int:
        """The process id, also after its end; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 if signal 9 ended it."""
        return self._process.poll() if self._process else None

    def is_ready(self) -> bool:
        """Ask it: True if it answers that it takes work."""
        connection = http.client.HTTPConnection(_LOOPBACK, self.port, timeout=_ASK_TIMEOUT)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ask_to_leave(self) -> None:
        """Send SIGTERM; it will not be started again."""
        self.leaving = True
        if self._process:
            self._process.terminate()

    def wait(self, timeout: float) -> int:
        """Wait for the end; after ``timeout`` s end it. Returns the exit code."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(max(0.0, timeout))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def wait_until_ready(children: Sequence[Child], timeout: float) -> None:
    """Wait until each answers that it is ready. Raises ``NotReady`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    waiting = list(children)
    while waiting := [child for child in waiting if not child.is_ready()]:
        if time.monotonic() > deadline:
            late = ", ".join(f"{child.name} (see {child.log})" for child in waiting)
            raise NotReady(f"not ready after {timeout:.0f} s: {late}")
        time.sleep(_ASK_AGAIN)
