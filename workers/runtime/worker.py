"""The process around a service: its threads, its signals, its end.

Exit codes: 0 everything finished, 75 work was interrupted (sysexits' EX_TEMPFAIL: somebody will
try again), 1 something broke that a restart may mend.
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
GLANCE: Final = 1.0  # s after which a signal is noticed at the latest
LONGEST_MARGIN: Final = 10.0  # s kept free before the platform kills the process

log = structlog.get_logger()


@dataclass
class Deadline:
    """When the process has to be gone. All of it derives from the stop timeout (s)."""

    stop_timeout: float
    now: Callable[[], float] = time.monotonic
    _starts: "count[int]" = field(default_factory=count)
    _planned: float = math.inf
    _hurried: float = math.inf

    @property
    def at(self) -> float:
        """When the process has to be gone (monotonic); infinite before the start."""
        return min(self._planned, self._hurried)

    @property
    def margin(self) -> float:
        """What is left unused, and what the last flush may take (s, half of it each)."""
        return min(LONGEST_MARGIN, self.stop_timeout / 6)

    @property
    def handlers_until(self) -> float:
        """When handlers must have ended (monotonic)."""
        return self.at - self.margin / 2

    def start(self) -> None:
        """Begin to count; a second call leaves no more than ``IMPATIENT`` seconds."""
        # A signal may come in the middle of this: each of the two writes a value of its own.
        if next(self._starts) == 0:
            self._planned = self.now() + self.stop_timeout - self.margin
        else:
            self._hurried = min(self._hurried, self.now() + IMPATIENT)

    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.at - self.now())


class Running(Protocol):
    """What a worker runs: a receive loop, the HTTP API, the relay."""

    def threads(self) -> Mapping[str, Callable[[], None]]:
        """Name the loops to run, each in a thread of its own."""

    def drain(self, deadline: Deadline) -> bool:
        """Finish what is in flight; the threads end. False if work was interrupted."""


class Worker:
    """Runs a service until a signal, or a thread that breaks, ends it."""

    def __init__(
        self,
        running: Running,
        *,
        stop_timeout: float,
        alongside: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        """``alongside`` names loops that need no stopping."""
        self.deadline = Deadline(stop_timeout)
        self.stopping = False
        self._died: list[str] = []
        self._running = running
        self._alongside = dict(alongside or {})
        # Signal handlers may only put here: SimpleQueue.put is reentrant, locks are not.
        self._ends: SimpleQueue[str] = SimpleQueue()

    def run(self) -> int:
        """Run to the end and return the exit code. For the main thread."""
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
        """Say why this process should be replaced, if so: it ends by itself, but not at once."""
        return [f"the thread {name} died" for name in self._died]

    def _end(self) -> str:
        """Wait for a reason to end.

        Never in one wait: of two signals at a time the kernel may give both to another thread,
        and then nothing wakes this one, the only one that Python runs their handlers in.
        """
        while True:
            with suppress(Empty):
                return self._ends.get(timeout=GLANCE)

    def _signalled(self, number: int, _frame: object) -> None:
        self.deadline.start()
        self._ends.put(signal.Signals(number).name)

    def _supervised(self, name: str, loop: Callable[[], None]) -> None:
        """End the worker if a thread dies: it must not look alive."""
        try:
            loop()
        except BaseException as error:  # the border of a thread
            self._died.append(name)
            self._ends.put(f"{name} died")
            log.critical("thread.died", thread=name, reason=str(error), exc_info=error)


class UntilStopped:
    """A ``Running`` of loops that end by themselves once their flag is set."""

    def __init__(self, loops: Mapping[str, Callable[[Flag], None]]) -> None:
        """Each loop gets a thread, which has the name that is given here."""
        self._loops = dict(loops)
        self._started = Flag()
        self._stopping = Flag()
        self._ended = {name: Flag() for name in loops}

    def obstacles(self) -> list[str]:
        """Say why it does not take work at the moment, if so."""
        if self._stopping.is_set():
            return ["stopping"]
        return [] if self._started.is_set() else ["starting"]

    def threads(self) -> Mapping[str, Callable[[], None]]:
        """Name the loops."""
        return {name: partial(self._run, name) for name in self._loops}

    def drain(self, deadline: Deadline) -> bool:
        """Set the flag and wait for the loops."""
        self._stopping.set()
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
