"""Each limit has one definition in the production package."""

import ast
from collections import Counter
from pathlib import Path

import workers
from workers import limits

ROOT = Path(workers.__file__).parent
# Distinctive enough that a second one is a copy.
LARGE = 10_000


def _constants(path):
    """Give every upper-case name that a module assigns a number to, with the number."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                number = node.value.value
                if isinstance(number, int | float) and not isinstance(number, bool):
                    yield target.id, number


CONSTANTS = [
    (path.relative_to(ROOT).as_posix(), name, number)
    for path in sorted(ROOT.rglob("*.py"))
    for name, number in _constants(path)
]


def test_no_limit_is_defined_twice():
    times = Counter(name for _, name, _ in CONSTANTS if name.startswith("MAX_"))
    assert times["MAX_BATCH"] == times["MAX_REASON"] == 1
    assert [name for name, count in times.items() if count > 1] == []


def test_no_module_has_its_own_copy_of_a_large_limit():
    shared = {n for name, n in vars(limits).items() if name.isupper() and n >= LARGE}
    assert shared == {43_200, 262_144}
    copies = [
        f"{path}: {number}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "limits.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and (number := node.value) in shared
    ]
    assert copies == []


def test_no_module_names_another_batch_of_ten():
    batches = [(path, name) for path, name, _ in CONSTANTS if "BATCH" in name]
    assert batches == [("limits.py", "MAX_BATCH")]
