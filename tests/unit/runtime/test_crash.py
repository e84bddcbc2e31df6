"""Crash points kill the process where they are armed, and do nothing elsewhere."""

import dis
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.runtime import crash
from workers.settings import SettingsError

SOURCES = Path(crash.__file__).parents[1]
PASSING = """
from workers.runtime.crash import crash_point
for _ in range(5):
    crash_point("committed")
    print("passed", flush=True)
"""


def passing(armed):
    """Pass ``committed`` five times in a separate process."""
    return subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", PASSING],
        env=os.environ | {"WORKERS_CRASH": armed},
        capture_output=True,
        check=False,
        text=True,
    )


def instructions(function):
    return [instruction.opname for instruction in dis.get_instructions(function)]


def test_a_process_dies_at_the_pass_it_was_armed_for():
    done = passing("decoded@1,committed@3")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.count("passed") == 2
    assert json.loads(done.stderr) == {
        "event": "crash",
        "level": "critical",
        "pass": 3,
        "point": "committed",
    }


def test_a_process_that_is_not_armed_survives():
    assert passing("").returncode == 0


def test_a_point_that_is_not_armed_just_returns():
    def nothing(_point):
        """Do nothing."""

    assert crash.arm("") is crash.unarmed
    assert crash.crash_point is crash.unarmed
    assert instructions(crash.unarmed) == instructions(nothing)


def test_several_points_and_passes_are_read():
    assert crash.parse("committed@3, published,committed@5") == {
        "committed": {3, 5},
        "published": {1},
    }


@pytest.mark.parametrize(
    "wrong", ["comitted@3", "committed@0", "committed@-1", "committed@x", "@1"]
)
def test_an_invalid_value_is_rejected_with_a_list_of_every_point(wrong):
    with pytest.raises(SettingsError) as refused:
        crash.parse(wrong)
    assert wrong in str(refused.value)
    assert all(point in str(refused.value) for point in crash.POINTS)


def test_a_worker_armed_with_an_unknown_point_exits_with_2_at_startup():
    done = subprocess.run(
        [sys.executable, "-m", "workers", "run", "payment"],
        env=os.environ | {"WORKERS_CRASH": "comitted@3"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 2
    assert "comitted@3" in done.stderr
    assert "committed" in done.stderr


def test_passing_a_point_that_is_not_listed_raises():
    with pytest.raises(LookupError):
        crash.Armed({}, die=lambda *_: None)("comitted")


def test_every_listed_point_is_passed_somewhere():
    sources = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    assert [p for p in crash.POINTS if sources.count(f'crash_point("{p}")') != 1] == []
