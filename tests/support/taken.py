"""Handlers that run one at a time, from pause to pause, when a test says so.

Greenlets rather than threads: which one runs is decided here, not by the operating system.
"""

from contextlib import suppress

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process is gone: nothing in it can catch this and go on."""


class Task(greenlet):
    """What a thread would run, taken step by step."""

    def step(self):
        """Let it run until it pauses or ends; raises what ended it."""
        if not self.dead:
            self.parent = getcurrent()
            self.switch()

    def kill(self):
        """End it where it is."""
        if not self.dead:
            self.parent = getcurrent()
            with suppress(Killed):
                self.throw(Killed)


def here():
    """Give the task that runs, None outside of all."""
    current = getcurrent()
    return current if isinstance(current, Task) else None


def pause():
    """Wait for the next step; outside of a task there is nothing to wait for."""
    if (task := here()) is not None:
        task.parent.switch()


def rest(condition, _seconds):
    """Wait on a condition, in the place of ``Condition.wait``."""
    condition.release()
    try:
        pause()
    finally:
        condition.acquire()
