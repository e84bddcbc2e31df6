"""Writes log lines in its own thread, many at once.

A write releases the interpreter lock and waits for the reader of the pipe. Threads that log do
neither: a stalled log reader never blocks work.
"""

from collections import deque
from contextlib import suppress
from threading import Event as Flag
from threading import Lock, Thread
from typing import BinaryIO, Final

LINGER: Final = (
    0.05  # s that a line may wait to be written with others; a warning or error never waits
)
MAX_PENDING: Final = (
    20_000  # lines kept for a stalled reader, about 10 MB; further lines are dropped
)
_DROPPED: Final = b'{"event":"log.lines_dropped","level":"warning","lines":%d}\n'


class LogWriter:
    """Accepts rendered lines from structlog: one method per level."""

    def __init__(self, stream: BinaryIO, *, max_pending: int = MAX_PENDING) -> None:
        self._stream = stream
        self._max_pending = max_pending
        self._pending: deque[bytes] = deque()
        self._dropped = 0
        self._there = Flag()
        self._urgent = Flag()
        self._writing = Lock()
        Thread(target=self._run, name="log", daemon=True).start()

    @property
    def pending(self) -> int:
        """The number of lines that wait to be written."""
        return len(self._pending)

    def info(self, line: bytes) -> None:
        """Write a line within ``LINGER``."""
        if len(self._pending) >= self._max_pending:
            self._dropped += 1
            return
        self._pending.append(line)
        if not self._there.is_set():
            self._there.set()

    def warning(self, line: bytes) -> None:
        """Write a line as soon as possible."""
        self.info(line)
        self._urgent.set()

    debug = info
    error = critical = warning

    def write(self, text: str) -> None:
        """Write a line of the standard library's logging."""
        self.warning(text.rstrip("\n").encode(errors="backslashreplace"))

    def flush(self, timeout: float = 1.0) -> None:
        """Write the pending lines; give up after ``timeout`` s if the reader is stalled."""
        if self._writing.acquire(timeout=timeout):
            try:
                self._write_pending()
            finally:
                self._writing.release()

    def _run(self) -> None:
        while True:
            self._there.wait()
            self._urgent.wait(LINGER)
            self._there.clear()
            self._urgent.clear()
            with self._writing:
                self._write_pending()

    def _write_pending(self) -> None:
        text = b"".join(self._pending.popleft() + b"\n" for _ in range(len(self._pending)))
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            text += _DROPPED % dropped
        # The reader is gone: nothing is left to report to.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
