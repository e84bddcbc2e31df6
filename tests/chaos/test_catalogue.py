"""The catalogue of faults is complete, and every test that it names exists."""

import re
from pathlib import Path

import pytest
from chaos.catalogue import CATALOGUE

TESTS = Path(__file__).parents[1]
CASES = 58


def test_every_case_is_listed_once():
    assert [case.number for case in CATALOGUE] == list(range(1, CASES + 1))


@pytest.mark.parametrize("case", CATALOGUE, ids=lambda case: case.fault)
def test_every_case_has_a_test_that_exists_or_a_reason_why_not(case):
    assert bool(case.tests) != bool(case.why_not)
    for test in case.tests:
        path, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / path).read_text(), re.MULTILINE), test
