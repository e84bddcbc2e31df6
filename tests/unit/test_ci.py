"""CI reports what it skips, by name or in its last lines."""

import os
import subprocess
from pathlib import Path

CI = Path(__file__).parents[2] / ".ci"
PRINTED = """\
....ss
SKIPPED [2] tests/contract/test_a.py:3: NOT TESTED: that Terraform refuses
SKIPPED [12] tests/infra/conftest.py:42: NOT tested: no provider
SKIPPED [1] tests/infra/test_b.py:7: NOT tested: no provider
===== 100 passed, 15 skipped in 9.90s =====
"""


def run(script, printed="", **environment):
    return subprocess.run(  # noqa: S603 - our own scripts
        [CI / script],
        env=os.environ | environment,
        input=printed,
        capture_output=True,
        check=False,
        text=True,
    )


def test_skipped_tests_are_counted_by_reason():
    first, *reasons = run("skipped", PRINTED).stdout.splitlines()

    assert first == "skipped: 15 tests"
    assert sorted(reasons) == [
        "  13: NOT tested: no provider",
        "  2: NOT TESTED: that Terraform refuses",
    ]


def test_no_skipped_tests_are_reported_as_zero():
    assert run("skipped", "= 3 passed in 1.00s =\n").stdout == "skipped: 0 tests\n"


def test_an_unknown_step_cannot_be_left_out():
    done = run("run", WITHOUT="everything")

    assert done.returncode == 2
    assert done.stderr == "WITHOUT=everything: only infra can be left out\n"


def test_the_audit_is_part_of_it_and_what_it_could_not_check_is_repeated_at_the_end():
    script = (CI / "run").read_text("utf-8")

    assert script.index("\nmake audit | tee -a") < script.index("\ngrep '^NOT CHECKED'")
