"""A process group that ends when the process that started it ends."""

import subprocess
import sys
from typing import Final, Self

# The guard leads the group and reads a pipe whose only writer is its parent. The parent writes
# nothing, so the read returns when the parent ends, whatever the cause.
_GUARD: Final = "import os, signal, sys; sys.stdin.buffer.read(); os.killpg(0, signal.SIGKILL)"


class Tether:
    """Kills the processes started with ``process_group=tether.group`` when this process ends.

    The group is not the terminal's, so Ctrl-C reaches this process and not those in the group.
    """

    def __init__(self) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-I", "-S", "-c", _GUARD], stdin=subprocess.PIPE, process_group=0
        )

    @property
    def group(self) -> int:
        """The process group to join."""
        return self._guard.pid

    def release(self) -> None:
        """Stop guarding. Processes that are still in the group keep running."""
        self._guard.kill()
        self._guard.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
