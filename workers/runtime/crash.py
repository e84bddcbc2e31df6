"""Named points at which a process can be told to die: where a message's life has a seam.

``WORKERS_CRASH=committed@3`` ends the process with SIGKILL at the third pass of ``committed``;
several are separated by commas, and whichever comes first wins. It is for tests of crashes; not
armed, a point is a call of a function that returns.
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

# In the order in which a message, a row of the outbox and a request pass them.
POINTS: Final = (
    "received",  # from SQS, not yet handed to a handler thread
    "started",
    "decoded",
    "handled",  # the handler has returned; nothing is written
    "committed",
    "published",  # the outcomes
    "dead_lettered",  # the copy is sent, the message is still there
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
    """Read ``committed@3,published``: at which passes of which points; without a number, the first.

    Raises ``SettingsError``, which names every point there is.
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
    """Counts passes; dies at the ones it was told."""

    def __init__(
        self, passes: Mapping[str, frozenset[int]], *, die: Callable[[str, int], None]
    ) -> None:
        self._passes = passes
        self._die = die
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def __call__(self, point: str) -> None:
        """Pass a point. Raises ``LookupError`` for one that is not in ``POINTS``."""
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
    """Leave a line, past every buffer, and no time for anything else."""
    line = orjson.dumps({"event": "crash", "point": point, "pass": seen, "level": "critical"})
    os.write(2, line + b"\n")
    os.kill(os.getpid(), signal.SIGKILL)


def arm(text: str) -> Callable[[str], None]:
    """Give the function that is called at every point. Raises ``SettingsError``."""
    return Armed(parse(text), die=_die) if text else unarmed


crash_point: Final = arm(os.environ.get(VARIABLE, ""))
