"""Names the code, the machine and its load, without which nobody can judge a measurement."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def stamp() -> dict[str, str]:
    """Return time, commit, CPU, number of cores, load average and versions."""
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "cpu": f"{_cpu()}, {os.cpu_count()} cores",
        "load average": load,
        "python": platform.python_version(),
        "botocore": version("botocore"),
    }


def _commit() -> str:
    """Return the commit of the checkout; "-dirty" if files have changed since."""
    asked = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603 - constant
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
