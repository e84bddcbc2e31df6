"""One service process on this machine."""

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOPBACK: Final = "127.0.0.1"
_ASK_TIMEOUT: Final = 1.0  # s
_POLL_INTERVAL: Final = 0.1  # s


# (process name, number of restarts so far) -> additions to the environment of that run.
Lives = Callable[[str, int], Mapping[str, str]]


def no_additions(_name: str, _life: int) -> Mapping[str, str]:
    """Run a process in the same environment every time."""
    return {}


class NotReady(Exception):
    """A process was not ready in time; the message names it and its log."""


@dataclass
class Child:
    """A process that keeps its name, port and log across restarts."""

    service: str
    name: str  # "payment-1"
    command: Sequence[str]
    environment: Mapping[str, str]
    group: int  # the process group to join
    port: int  # of /metrics, /livez, /readyz
    log: Path
    lives: Lives = no_additions
    restarts: int = 0
    died_at: float | None = None  # monotonic time at which its end was noticed; a restart follows
    stopping: bool = False  # SIGTERM was sent; no restart
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
        """The process id, also after the process has ended; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """The exit code, -9 if signal 9 ended the process; None while it runs."""
        return self._process.poll() if self._process else None

    def is_ready(self) -> bool:
        """Return whether ``/readyz`` answers 200."""
        connection = http.client.HTTPConnection(_LOOPBACK, self.port, timeout=_ASK_TIMEOUT)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def terminate(self) -> None:
        """Send SIGTERM. The process will not be restarted."""
        self.stopping = True
        if self._process:
            self._process.terminate()

    def wait(self, timeout: float) -> int:
        """Wait for the process to end; kill it after ``timeout`` s. Returns the exit code."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(max(0.0, timeout))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def wait_until_ready(children: Sequence[Child], timeout: float) -> None:
    """Wait until all processes are ready. Raises ``NotReady`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    waiting = list(children)
    while waiting := [child for child in waiting if not child.is_ready()]:
        if time.monotonic() > deadline:
            late = ", ".join(f"{child.name} (see {child.log})" for child in waiting)
            raise NotReady(f"not ready after {timeout:.0f} s: {late}")
        time.sleep(_POLL_INTERVAL)
