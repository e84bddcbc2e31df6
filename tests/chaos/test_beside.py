"""A process can run another commit's code, unpacked from the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.chaos.other_version import check_out

ROOT = Path(__file__).parents[2]


def test_an_unknown_version_is_not_found(tmp_path):
    assert check_out("no-such-version", tmp_path) is None


def test_without_git_no_version_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_out("HEAD", tmp_path) is None


@pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()), reason="this is no clone"
)
def test_a_process_runs_the_code_of_the_other_version(tmp_path):
    other = check_out("HEAD", tmp_path)
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import workers; print(workers.__file__)"],
        env=other.environment,
        capture_output=True,
        check=True,
        text=True,
    )
    assert where.stdout.strip() == str(tmp_path / "workers" / "__init__.py")
    assert len(other.commit) == 40
