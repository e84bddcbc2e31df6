"""Every number in a test's docstring is in its catalogue, and every case has a test.

"Case 40." is in ``unit/runtime/catalogue.py``, "Row 15." in ``chaos/catalogue.py``.
"""

import re
from pathlib import Path

import pytest
from chaos.catalogue import CATALOGUE
from unit.runtime.catalogue import CASES, NOT_TESTED

TESTS = Path(__file__).parents[1]
# """Case 40. """Cases 31 and 32. """Cases 5 to 8: and so on.
CITATION = re.compile(r'"""(Case|Row)s? \d+(?:(?:, \d+)*(?:,? and|,? to) \d+)?')


def numbers_in(citation):
    numbers = [int(number) for number in re.findall(r"\d+", citation)]
    return set(range(numbers[0], numbers[1] + 1)) if " to " in citation else set(numbers)


@pytest.fixture(scope="module")
def cited():
    """Collect the numbers that tests cite, by kind."""
    numbers = {"Case": set(), "Row": set()}
    for path in TESTS.rglob("test_*.py"):
        for found in CITATION.finditer(path.read_text("utf-8")):
            numbers[found[1]] |= numbers_in(found[0])
    return numbers


def test_the_catalogue_numbers_its_cases_without_a_gap():
    assert list(CASES) == list(range(1, len(CASES) + 1))


def test_every_cited_number_is_a_case(cited):
    assert cited["Case"] <= CASES.keys()


def test_every_cited_row_is_a_fault(cited):
    assert cited["Row"]
    assert cited["Row"] <= {case.number for case in CATALOGUE}


def test_every_case_is_cited_by_a_test_or_says_why_not(cited):
    assert CASES.keys() - cited["Case"] == NOT_TESTED.keys()


@pytest.mark.parametrize(
    ("citation", "numbers"),
    [
        ('"""Case 40."""', {40}),
        ('"""Cases 31 and 32."""', {31, 32}),
        ('"""Cases 5 to 8: renewals."""', {5, 6, 7, 8}),
        ('"""Cases 12, 13 and 17."""', {12, 13, 17}),
        ('"""Rows 15, 16 and 17."""', {15, 16, 17}),
        ('"""In the case of 3 and 4."""', set()),
    ],
)
def test_a_citation_is_read_with_all_its_numbers(citation, numbers):
    found = CITATION.search(citation)
    assert (numbers_in(found.group()) if found else set()) == numbers
