"""The verdict lists faults and findings, and the command that repeats the run."""

import io
from dataclasses import replace

from chaos.honest import dead_letter, honest
from rich.console import Console

from local.chaos.checker import INVARIANTS, check
from local.chaos.report import document, print_verdict
from local.chaos.runner import Options, Verdict

OPTIONS = Options(orders=30, seed=7, faults=("kill", "drop_after"))
DONE = {"kill": 2, "stop": 1, "partition": 0, "deploy": 1, "crash": 3}


def verdict(evidence=None, **changes):
    evidence = evidence or honest()
    fields = {
        "options": OPTIONS,
        "evidence": evidence,
        "violations": check(evidence),
        "done": DONE,
        "injected": {"drop_after": 9},
        "seconds": 12.34,
        "cpu_seconds": 5.67,
    }
    return Verdict(**(fields | changes))


def printed(of):
    console = Console(file=io.StringIO(), width=200)
    print_verdict(console, of)
    return console.file.getvalue()


def innocent():
    evidence = honest()
    letters = {**evidence.dead, "orders": [dead_letter(id="letter-1", order_id="order-1")]}
    return replace(evidence, dead=letters)


def test_a_run_without_violations_is_reported_with_its_seed_and_command():
    found = document(verdict())
    assert (found["ok"], found["violations"]) == (True, [])
    assert (found["seed"], found["seconds"], found["cpuSeconds"]) == (7, 12.3, 5.7)
    assert (
        found["command"]
        == ".venv/bin/workers chaos run --seed 7 --orders 30 --faults kill,drop_after"
    )
    assert found["orders"] == {"acknowledged": 3, "unknown": 0, "failed": 0}
    assert found["faults"] == DONE | {"injected": {"drop_after": 9}}
    assert found["deadLetters"] == {"planted": 1, "copies": 0, "others": 0}


def test_the_command_names_every_option_that_was_given():
    options = replace(OPTIONS, workers=2, beside="HEAD~1")
    assert " --workers 2 --beside HEAD~1" in options.command


def test_lost_doubled_and_phantom_effects_are_counted():
    evidence = honest()
    del evidence.tables["payment"]["payment#order-1"]
    found = document(verdict(evidence))
    assert (found["ok"], found["lost"], found["doubled"], found["phantom"]) == (False, 1, 0, 0)


def test_an_unplanted_dead_letter_is_counted_apart():
    assert document(verdict(innocent()))["deadLetters"] == {
        "planted": 1,
        "copies": 0,
        "others": 1,
    }


def test_the_text_lists_every_invariant_and_its_violations():
    text = printed(verdict(innocent()))
    assert all(f" {name} " in text for name in INVARIANTS)
    assert "BROKEN  I13" in text
    assert "letter-1" in text
    assert "To repeat: .venv/bin/workers chaos run --seed 7" in text


def test_all_violations_are_counted_and_some_are_shown():
    evidence = honest()
    letters = [dead_letter(id=f"letter-{n}", order_id="") for n in range(20)]
    text = printed(verdict(replace(evidence, dead=evidence.dead | {"orders": letters})))
    assert "and 15 more" in text


def test_a_second_version_is_named():
    assert "other version: skipped" in printed(
        verdict(other_version="skipped: commit v9 not found")
    )
