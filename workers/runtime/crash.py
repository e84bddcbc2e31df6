"""Crash points: named places in the code where a test can kill the process.

``WORKERS_CRASH=committed@3`` ends the process with SIGKILL at the third pass of ``committed``.
Separate several points with commas; the first one reached wins. Without the variable, a crash
point is a call to an empty function.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

import orjson

from workers.runtime.errors import SettingsError

VARIABLE: Final = "WORKERS_CRASH"

# In the order in which a message, an outbox row and a request pass them.
POINTS: Final = (
    "received",  # from SQS, not yet handed to a handler thread
    "started",
    "decoded",
    "handled",  # the handler has returned; nothing is written yet
    "payload.stored",  # a large outcome, in S3; nothing refers to it yet
    "committed",
    "published",  # the outcomes
    "dead_lettered",  # the copy is sent; the message is still in the queue
    "settled",  # about to be deleted
    "deleted",
    "relay.read",
    "relay.published",
    "relay.marked",
    "api.handled",  # about to be committed
    "api.committed",  # before the answer
    "api.answered",  # before the outbox is bypassed
    "api.published",
    "api.marked",
)


def parse(text: str) -> Mapping[str, frozenset[int]]:
    """Parse ``committed@3,published`` into the passes to crash at, by point.

    Without a number, it is the first pass. Raises ``SettingsError``, which lists every point.
    """
    passes: dict[str, frozenset[int]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        point, _, number = part.partition("@")
        count = number or "1"
        if point not in POINTS or not (count.isascii() and count.isdigit()) or int(count) == 0:
            raise SettingsError(f"{VARIABLE}: {part!r} is not POINT@N: one of {', '.join(POINTS)}")
        passes[point] = passes.get(point, frozenset()) | {int(count)}
    return passes


class Armed:
    """Counts passes, and kills the process at the configured ones."""

    def __init__(
        self, passes: Mapping[str, frozenset[int]], *, die: Callable[[str, int], None]
    ) -> None:
        self._passes = passes
        self._die = die
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def __call__(self, point: str) -> None:
        """Pass a point. Raises ``LookupError`` if it is not in ``POINTS``."""
        if point not in POINTS:
            raise LookupError(f"no crash point {point}")
        with self._lock:
            self._seen[point] += 1
            seen = self._seen[point]
        if seen in self._passes.get(point, ()):
            self._die(point, seen)


def unarmed(_point: str) -> None:
    """Pass a point."""


def _die(point: str, seen: int) -> None:
    """Write a line, bypassing every buffer, and kill the process."""
    line = orjson.dumps({"event": "crash", "point": point, "pass": seen, "level": "critical"})
    os.write(2, line + b"\n")
    os.kill(os.getpid(), signal.SIGKILL)


def arm(text: str) -> Callable[[str], None]:
    """Return the function to call at every point. Raises ``SettingsError``."""
    return Armed(parse(text), die=_die) if text else unarmed


crash_point: Final = arm(os.environ.get(VARIABLE, ""))
