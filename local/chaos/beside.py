"""Another version of the code, to run beside this one as during a deploy."""

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import workers

_ROOT = Path(workers.__file__).parents[1]


@dataclass(frozen=True)
class Beside:
    """The code of a commit, in a directory of its own."""

    commit: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process run this code."""
        return {"PYTHONPATH": str(self.directory)}


def check_out(ref: str, directory: Path) -> Beside | None:
    """Unpack the code of a commit, branch or tag; None if it is not there, or git is not."""
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
    return Beside(commit, directory)


def _run(git: str, *arguments: str) -> bytes | None:
    done = subprocess.run(  # noqa: S603 - reads this repository
        [git, "-C", str(_ROOT), *arguments], capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None
