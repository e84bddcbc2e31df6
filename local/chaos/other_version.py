"""Unpacks another version of the code, to run at the same time as this one."""

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import workers

_ROOT = Path(workers.__file__).parents[1]


@dataclass(frozen=True)
class OtherVersion:
    """The code of a commit in its own directory."""

    commit: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a process run this code."""
        return {"PYTHONPATH": str(self.directory)}


def check_out(ref: str, directory: Path) -> OtherVersion | None:
    """Unpack the code of a commit, branch or tag; None without git or without that commit."""
    git = shutil.which("git")
    if git is None:
        return None
    named = _run(git, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if named is None:
        return None
    commit = named.decode().strip()
    if (archive := _run(git, "archive", commit, "workers")) is None:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return OtherVersion(commit, directory)


def _run(git: str, *arguments: str) -> bytes | None:
    done = subprocess.run(  # noqa: S603 - reads this repository
        [git, "-C", str(_ROOT), *arguments], capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None
