"""Runs hundreds of threads in turn on a virtual clock, in the same order every time."""

import heapq
from contextlib import contextmanager
from itertools import count
from threading import Semaphore, Thread, local

PATIENCE = (
    60  # s of real time for one turn; a thread that waits in real time would block the others
)


class Scheduler:
    """Runs one thread at a time; when it sleeps, the one whose sleep ends next continues."""

    def __init__(self, clock):
        self._clock = clock
        self._sleepers = []  # heap of (until, number, baton)
        self._numbers = count()
        self._yielded = Semaphore(0)
        self._mine = local()
        self._errors = []

    def run(self, *programs):
        """Run programs, each in a thread, until all have ended. Raise the first error of one."""
        for program in programs:
            baton = self._queue_up(0)
            Thread(target=self._thread, args=(program, baton), daemon=True).start()
        while self._sleepers and not self._errors:
            until, _, baton = heapq.heappop(self._sleepers)
            self._clock.advance(max(0.0, until - self._clock()))
            baton.release()
            assert self._yielded.acquire(timeout=PATIENCE), "a thread waits in real time"
        if self._errors:
            raise self._errors[0]

    def sleep(self, seconds):
        """Let virtual time pass. Call it only from the threads of ``run``."""
        baton = self._queue_up(seconds, self._mine.baton)
        self._yielded.release()
        baton.acquire()

    def rest(self, condition, seconds):
        """Wait on a condition that the thread holds, for ``seconds`` of virtual time."""
        with _let_go(condition):
            self.sleep(seconds)

    def _queue_up(self, seconds, baton=None):
        baton = baton or Semaphore(0)
        heapq.heappush(self._sleepers, (self._clock() + seconds, next(self._numbers), baton))
        return baton

    def _thread(self, program, baton):
        baton.acquire()
        self._mine.baton = baton
        try:
            program()
        except BaseException as error:  # noqa: BLE001 - the border of a thread
            self._errors.append(error)
        finally:
            self._yielded.release()


@contextmanager
def _let_go(condition):
    condition.release()
    try:
        yield
    finally:
        condition.acquire()
