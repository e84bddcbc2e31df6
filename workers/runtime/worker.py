"""The process around a service: threads, signals and exit codes.

Exit codes: 0 everything finished, 75 work was interrupted (EX_TEMPFAIL in sysexits: another worker
tries again), 1 something broke that a restart may fix.
"""

import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Final, Protocol

import structlog

DONE: Final = 0
BROKEN: Final = 1
INTERRUPTED: Final = 75

IMPATIENT: Final = 2.0  # s left after a second signal
GLANCE: Final = 1.0  # s; a signal is noticed within this time
LONGEST_MARGIN: Final = 10.0  # s kept free before the platform kills the process

log = structlog.get_logger()


@dataclass
class Deadline:
    """The time by which the process must exit, derived from the stop timeout (s)."""

    stop_timeout: float
    now: Callable[[], float] = time.monotonic
    _starts: "count[int]" = field(default_factory=count)
    _planned: float = math.inf
    _hurried: float = math.inf

    @property
    def at(self) -> float:
        """The time by which the process must exit (monotonic); infinite before the start."""
        return min(self._planned, self._hurried)

    @property
    def margin(self) -> float:
        """Seconds between ``at`` and the kill by the platform; handlers end half of it earlier."""
        return min(LONGEST_MARGIN, self.stop_timeout / 6)

    @property
    def handlers_until(self) -> float:
        """The time by which handlers must have ended (monotonic)."""
        return self.at - self.margin / 2

    def start(self) -> None:
        """Start the clock; a second call leaves at most ``IMPATIENT`` seconds."""
        # A signal may interrupt this method: each branch writes a different field.
        if next(self._starts) == 0:
            self._planned = self.now() + self.stop_timeout - self.margin
        else:
            self._hurried = min(self._hurried, self.now() + IMPATIENT)

    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.at - self.now())


class Running(Protocol):
    """Something a worker can run: a receive loop, the HTTP API, the relay."""

    def threads(self) -> Mapping[str, Callable[[], None]]:
        """Return the loops to run, by the name of their thread."""

    def drain(self, deadline: Deadline) -> bool:
        """Finish the work in flight and end the threads. False if work was interrupted."""


class Worker:
    """Runs a service until a signal or the death of a thread ends it."""

    def __init__(
        self,
        running: Running,
        *,
        stop_timeout: float,
        alongside: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        """``alongside`` holds further loops, which need no stopping, by name."""
        self.deadline = Deadline(stop_timeout)
        self.stopping = False
        self._died: list[str] = []
        self._running = running
        self._alongside = dict(alongside or {})
        # Signal handlers may only put here: SimpleQueue.put is reentrant, locks are not.
        self._ends: SimpleQueue[str] = SimpleQueue()

    def run(self) -> int:
        """Run to the end and return the exit code. Call it in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        for name, loop in (self._alongside | dict(self._running.threads())).items():
            Thread(target=self._supervised, args=(name, loop), name=name, daemon=True).start()
        reason = self._end()
        self.stopping = True
        if math.isinf(self.deadline.at):
            self.deadline.start()
        log.info("worker.stopping", reason=reason, seconds=round(self.deadline.remaining(), 1))
        finished = self._running.drain(self.deadline)
        code = BROKEN if self._died else DONE if finished else INTERRUPTED
        log.info("worker.stopped", exitCode=code)
        return code

    def problems(self) -> list[str]:
        """List the reasons to replace this process, while it is still draining."""
        return [f"the thread {name} died" for name in self._died]

    def _end(self) -> str:
        """Wait for a reason to end.

        Never block forever: the kernel may deliver a signal to another thread. Then nothing wakes
        this one, and Python runs signal handlers only in this one.
        """
        while True:
            with suppress(Empty):
                return self._ends.get(timeout=GLANCE)

    def _signalled(self, number: int, _frame: object) -> None:
        self.deadline.start()
        self._ends.put(signal.Signals(number).name)

    def _supervised(self, name: str, loop: Callable[[], None]) -> None:
        """Run a thread's loop; if it dies, end the worker."""
        try:
            loop()
        except BaseException as error:  # the border of a thread
            self._died.append(name)
            self._ends.put(f"{name} died")
            log.critical("thread.died", thread=name, reason=str(error), exc_info=error)


class Stopping(Flag):
    """Tells a loop to end, and by when."""

    deadline: Deadline  # only once the flag is set

    def by(self, deadline: Deadline) -> None:
        """Set the flag. The loop has to end by ``deadline``, which a second signal may move."""
        self.deadline = deadline
        self.set()


class UntilStopped:
    """A ``Running`` made of loops that end once their flag is set."""

    def __init__(self, loops: Mapping[str, Callable[[Stopping], None]]) -> None:
        """Each loop runs in a thread with the given name."""
        self._loops = dict(loops)
        self._started = Flag()
        self._stopping = Stopping()
        self._ended = {name: Flag() for name in loops}

    def obstacles(self) -> list[str]:
        """List the reasons why no work is accepted."""
        if self._stopping.is_set():
            return ["stopping"]
        return [] if self._started.is_set() else ["starting"]

    def threads(self) -> Mapping[str, Callable[[], None]]:
        """Return the loops by name."""
        return {name: partial(self._run, name) for name in self._loops}

    def drain(self, deadline: Deadline) -> bool:
        """Set the flag and wait for the loops."""
        self._stopping.by(deadline)
        for ended in self._ended.values():
            while not ended.wait(0.05):
                if deadline.remaining() == 0:
                    return False
        return True

    def _run(self, name: str) -> None:
        self._started.set()
        try:
            self._loops[name](self._stopping)
        finally:
            self._ended[name].set()
