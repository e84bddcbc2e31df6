"""Runs handlers one at a time, from pause to pause, when the test says so.

With greenlets instead of threads, the test and not the operating system decides which one runs.
"""

from contextlib import suppress

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process has died. No code in it can catch this and continue."""


class Task(greenlet):
    """The program of a thread, run step by step."""

    def step(self):
        """Run until the task pauses or ends; raise its error."""
        if not self.dead:
            self.parent = getcurrent()
            self.switch()

    def kill(self):
        """End the task at its present step."""
        if not self.dead:
            self.parent = getcurrent()
            with suppress(Killed):
                self.throw(Killed)


def here():
    """Return the running task, or None outside of tasks."""
    current = getcurrent()
    return current if isinstance(current, Task) else None


def pause():
    """Wait for the next step; do nothing outside of a task."""
    if (task := here()) is not None:
        task.parent.switch()


def rest(condition, _seconds):
    """Wait on a condition. Replaces ``Condition.wait``."""
    condition.release()
    try:
        pause()
    finally:
        condition.acquire()
