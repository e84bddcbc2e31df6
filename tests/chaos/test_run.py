"""A short run of the whole system under every fault; the command refuses wrong options."""

import json
import subprocess
import sys

import pytest

from local.chaos.faults import names

ORDERS = 300


def chaos(*arguments, cwd=None):
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "workers", "chaos", "run", *arguments],
        cwd=cwd,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.chaos
@pytest.mark.story
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_while_everything_fails(tmp_path):
    run = chaos("--orders", str(ORDERS), "--seed", "1", "--json", cwd=tmp_path)
    verdict = json.loads(run.stdout)
    assert verdict["violations"] == []
    assert run.returncode == 0
    assert verdict["orders"]["acknowledged"] > 0.9 * ORDERS
    assert verdict["faults"]["kill"] >= 6
    assert verdict["faults"]["stop"] >= 1
    assert verdict["faults"]["deploy"] >= 1
    assert (verdict["deadLetters"]["planted"], verdict["deadLetters"]["others"]) == (3, 0)


@pytest.mark.parametrize("wrong", ["kil", "kill,drop", "kill;stop"])
def test_an_unknown_fault_is_an_error_that_lists_the_faults(wrong):
    refused = chaos("--faults", wrong)
    assert refused.returncode == 2
    assert all(name in refused.stderr for name in names())


@pytest.mark.parametrize("option", ["--orders", "--seed", "--workers"])
def test_a_negative_count_is_refused(option):
    refused = chaos(option, "-1")
    assert refused.returncode == 2
    assert option in refused.stderr


def test_the_help_has_examples_and_names_every_fault():
    told = chaos("--help")
    assert all(name in told.stdout for name in names())
    assert told.returncode == 0
    assert "workers chaos run --seed" in told.stdout


@pytest.mark.chaos
@pytest.mark.story
@pytest.mark.timeout(600)
def test_the_order_of_each_order_is_kept_while_everything_fails(tmp_path):
    run = chaos("--fifo", "--orders", "60", "--seed", "2", "--json", cwd=tmp_path)
    verdict = json.loads(run.stdout)
    assert verdict["violations"] == []
    assert run.returncode == 0
    assert verdict["faults"]["kill"] >= 1
