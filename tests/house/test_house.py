"""The source code follows the rules of ``rules.py``, and each rule finds what breaks it."""

import pytest

from house import rules
from house.findings import check
from house.rules import ROOT, Module

WORKERS = rules.modules("workers")


def planted(text, path="workers/planted.py"):
    return [Module.parse(path, text)]


def test_no_production_module_imports_a_development_package_unseen():
    check(rules.development_imports(WORKERS))


def test_every_limit_has_one_owner():
    check(rules.limits_with_two_owners(WORKERS))


def test_only_the_lease_table_assigns_to_a_lease():
    check(rules.lease_assignments(WORKERS))


def test_no_production_module_imports_type_stubs_at_run_time():
    check(rules.stubs_at_run_time(WORKERS))


def test_no_module_docstring_opens_with_a_question_word():
    check(rules.docstrings_that_ask([*WORKERS, *rules.modules("local", "bench", "tests")]))


def test_no_module_has_a_batch_of_its_own():
    batches = [
        (module.path, name)
        for module in WORKERS
        for _, name, value in rules.constants(module)
        if "BATCH" in name and value is not None
    ]
    assert batches == [("workers/limits.py", "MAX_BATCH")]


def test_an_import_of_type_stubs_at_run_time_is_found():
    stubs = "from mypy_boto3_sqs import SQSClient"
    (found,) = rules.stubs_at_run_time(planted(stubs))

    assert found.startswith("workers/planted.py:1: ")
    assert list(rules.stubs_at_run_time(planted(f"if TYPE_CHECKING:\n    {stubs}"))) == []


@pytest.mark.parametrize(
    "text",
    [
        'import_module("os")',
        'importlib.import_module("os")',
        "import tests.support.fakes",
        "from support.fakes import FakeClock",
        'COMMAND = ["python", "-m", "local.demo"]',
    ],
)
def test_an_import_that_import_linter_cannot_see_is_found(text):
    (found,) = rules.development_imports(planted(text))

    assert found.startswith("workers/planted.py:1: ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("MAX_BATCH = 10", "MAX_BATCH: Final = 10"),
        ("LIMIT = 60.0", "_LIMIT = 30.0"),
        ("LONGEST: Final = 43_200", "MAX_INVISIBLE: Final = 43_200.0"),
        ("MIB = 1_048_576", "BODY = 1024 * 1024"),
    ],
)
def test_a_limit_that_two_modules_define_is_found(first, second):
    (found,) = rules.limits_with_two_owners(
        planted(first, "workers/a.py") + planted(second, "workers/b.py")
    )

    assert found.startswith("workers/b.py:1: ")


@pytest.mark.parametrize("number", ["10_000", "2_000_000", "4_000.0", "900", "10 * 1_000"])
def test_round_and_small_numbers_may_be_equal(number):
    same = planted(f"ROWS = {number}", "workers/a.py") + planted(
        f"LINES = {number}", "workers/b.py"
    )

    assert list(rules.limits_with_two_owners(same)) == []


@pytest.mark.parametrize(
    "text",
    [
        "lease.lost = 1",
        "ack.lease.deadline += 1",
        "x, lease.lost = 1, 2",
        "del lease.handle",
        "lease.standing.suspect = True",
        "object.__setattr__(lease, 'deadline', 0.0)",
        "setattr(self.lease, 'deadline', 0.0)",
    ],
)
def test_a_change_of_a_lease_is_found(text):
    (found,) = rules.lease_assignments(planted(text))

    assert found.startswith("workers/planted.py:1: ")


@pytest.mark.parametrize("word", ["What", "How", "Where", "Which", "Who", "Whether", "Why", "When"])
def test_a_docstring_that_opens_with_a_question_word_is_found(word):
    (found,) = rules.docstrings_that_ask(planted(f'"""{word} a module does."""'))

    assert found.startswith("workers/planted.py:1: ")


def test_the_root_is_the_checkout():
    assert (ROOT / "pyproject.toml").exists()
