"""Rules of the source code that neither ruff, mypy nor import-linter can check.

Each rule reads modules and yields findings as ``file:line: what is wrong and what to do``.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# import-linter checks imports of the other development packages.
UNKNOWN_TO_IMPORT_LINTER = ("support", "tests")
DEVELOPMENT = ("local", "bench", *UNKNOWN_TO_IMPORT_LINTER)
# The command line adds the commands of the development package if it is installed.
DYNAMIC_IMPORTS = {"workers/cli/__init__.py": "local.commands"}
IMPORTERS = {"import_module", "__import__", "find_spec", "run_module", "run_path"}
LEASE_OWNERS = {"workers/runtime/lease.py", "workers/runtime/leases.py"}
QUESTION = re.compile(r"(What|How|Where|Which|Who|Whether|Why|When)\b")
LIMIT = re.compile(r"_?(.+_)?(MAX|MIN|LIMIT)(_.+)?")
SMALL = 1_000


@dataclass(frozen=True)
class Module:
    """A source file: its path below the root, and its syntax tree."""

    path: str
    tree: ast.Module

    @classmethod
    def parse(cls, path, text):
        return cls(path, ast.parse(text))

    def at(self, node, message):
        return f"{self.path}:{node.lineno}: {message}"


def modules(*packages):
    """Parse every module of the packages."""
    return [
        Module.parse(str(file.relative_to(ROOT)), file.read_text("utf-8"))
        for package in packages
        for file in sorted((ROOT / package).rglob("*.py"))
    ]


def development_imports(modules):
    """Find imports of development packages that import-linter cannot see."""
    name = re.compile(rf"({'|'.join(DEVELOPMENT)})(\.\w+)+")
    for module in modules:
        allowed = DYNAMIC_IMPORTS.get(module.path)
        for node in ast.walk(module.tree):
            match node:
                case (
                    ast.Import(names=[ast.alias(name=imported), *_])
                    | ast.ImportFrom(module=str(imported), level=0)
                ) if imported.partition(".")[0] in UNKNOWN_TO_IMPORT_LINTER:
                    yield module.at(node, f"{imported} is not in the wheel: do not import it here")
                case ast.Constant(value=str(text)) if name.fullmatch(text) and text != allowed:
                    yield module.at(node, f'"{text}" is not in the wheel: do not import it here')
                case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if (
                    called in IMPORTERS and not allowed
                ):
                    yield module.at(node, f"{called}() hides an import: use an import statement")


def limits_with_two_owners(modules):
    """Find limits that two modules define: the same name, or the same unusual number."""
    names, numbers = {}, {}
    for module in modules:
        for node, name, value in constants(module):
            if LIMIT.fullmatch(name):
                owner = names.setdefault(name.lstrip("_"), module.path)
                if owner != module.path:
                    yield module.at(node, f"{owner} defines {name} too: import it or rename one")
            if value is not None and value > SMALL and not _is_round(value):
                owner, other = numbers.setdefault(value, (module.path, name))
                if owner != module.path:
                    yield module.at(node, f"{name} equals {other} in {owner}: derive it from that")


def lease_assignments(modules):
    """Find assignments to an attribute of a lease outside the modules that own leases."""
    for module in modules:
        if module.path in LEASE_OWNERS:
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Attribute(ctx=ast.Store() | ast.Del(), value=owner) if _of_a_lease(owner):
                    target = ast.unparse(node)
                    yield module.at(node, f"changes {target}: call a method of the lease table")
                case ast.Call(
                    func=ast.Name(id="setattr") | ast.Attribute(attr="__setattr__"),
                    args=[target, *_],
                ) if _of_a_lease(target):
                    yield module.at(node, "changes a lease: call a method of the lease table")


def stubs_at_run_time(modules):
    """Find imports of type stubs outside ``if TYPE_CHECKING``: the image does not have them."""
    for module in modules:
        typed = {
            id(inner)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(module.tree):
            stubs = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mypy_")
            if stubs and id(node) not in typed:
                yield module.at(node, f"import {node.module} under TYPE_CHECKING only")


def docstrings_that_ask(modules):
    """Find module docstrings that open with a question word."""
    for module in modules:
        if QUESTION.match(ast.get_docstring(module.tree) or ""):
            yield module.at(module.tree.body[0], "the docstring must say what the module does")


def _of_a_lease(expression):
    return "lease" in ast.unparse(expression).split(".")


def constants(module):
    """Yield upper-case names assigned at module level, with their value if it is a number."""
    for node in module.tree.body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if name.isupper():
                yield node, name, _number(value)


def _is_round(value):
    """Tell whether a number has one digit other than 0. Such limits can be equal by chance."""
    return len(str(value).strip("0.")) == 1


def _number(expression):
    """Compute an arithmetic expression of literals; None for anything else."""
    match expression:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            factors = _number(left), _number(right)
            return None if None in factors else factors[0] * factors[1]
    return None
