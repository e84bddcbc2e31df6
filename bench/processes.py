"""Reads CPU time and memory of process trees. Linux only; uses only the standard library."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024  # kB


@dataclass(frozen=True)
class Memory:
    """Memory of a process tree (MiB)."""

    processes: int
    resident: float
    proportional: float  # shared pages divided by the number of processes that share them


def tree(pid: int) -> list[int]:
    """List a process and its descendants."""
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            found.append(parent)
            for task in tasks:
                todo += map(int, (task / "children").read_text("ascii").split())
        except OSError:  # it has ended
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a tree (s), including children that have ended."""
    return sum(_own_seconds(each) for each in tree(pid))


def _own_seconds(pid: int) -> float:
    try:
        # The CPU clock of the process, in nanoseconds: CPUCLOCK_SCHED, clock_getcpuclockid(3).
        # /proc/PID/stat only counts hundredths of a second.
        own = time.clock_gettime((~pid << 3) | 2)
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return own + (int(fields[13]) + int(fields[14])) / _TICKS  # cutime, cstime


def memory(pid: int) -> Memory:
    """Read the memory of a tree."""
    resident = proportional = 0
    pids = tree(pid)
    for each in pids:
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text("ascii")
        except OSError:  # it has ended
            continue
        kb = {name: int(size) for name, size in _sizes(rollup)}
        resident += kb["Rss"]
        proportional += kb["Pss"]
    return Memory(len(pids), resident / _MIB, proportional / _MIB)


def _sizes(rollup: str) -> list[tuple[str, str]]:
    lines = (line.split() for line in rollup.splitlines()[1:])
    return [(name.rstrip(":"), size) for name, size, *_ in lines]
