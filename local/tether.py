"""A group of processes that does not outlive the process that started it."""

import subprocess
import sys
from typing import Final, Self

# The guard leads the group. It reads a pipe that only its parent can write to; nothing is ever
# written, so the read ends when the parent does, however it ends.
_GUARD: Final = "import os, signal, sys; sys.stdin.buffer.read(); os.killpg(0, signal.SIGKILL)"


class Tether:
    """Start a process with ``process_group=tether.group``, and it dies when this process dies.

    The group is not the terminal's, so Ctrl-C reaches this process and not those tied to it.
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
        """Let go. What is still in the group lives on."""
        self._guard.kill()
        self._guard.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
