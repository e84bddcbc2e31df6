"""The runtime knows messages, not orders; the stock document is defined in one module."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = sorted((ROOT / "workers" / "runtime").rglob("*.py"))
DOMAIN = {"order", "orders", "payment", "customer", "inventory", "stock", "sku"}
# A counter that keeps settlements of one instant in sequence: nothing a customer places.
ALLOWED = {("acks.py", "_order")}


def words_of(path):
    """Give every name, attribute and string of a module, docstrings aside."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.alias(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def parts(word):
    """Split ``order_id``, ``orderId`` and ``OrderPipeline`` into words."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", word)}


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: path.stem)
def test_the_runtime_has_no_word_of_the_domain(path):
    found = {word for word in words_of(path) if parts(word) & DOMAIN}

    assert {(path.name, word) for word in found} - ALLOWED == set()


def test_the_search_finds_words_of_the_domain(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""An order."""\n'
        "NAMESPACE = 'OrderPipeline'\n"
        "def tell(order_id): return {'orderId': envelope.data.order}\n"
    )

    found = {word for word in words_of(module) if parts(word) & DOMAIN}

    assert found == {"OrderPipeline", "order_id", "orderId", "order"}


def test_the_stock_document_is_defined_in_one_module():
    fields = re.compile(r"""["'](stock#|available|reorderThreshold)["'{]""")
    modules = [*(ROOT / "workers").rglob("*.py"), *(ROOT / "local").rglob("*.py")]

    found = {str(p.relative_to(ROOT)) for p in modules if fields.search(p.read_text("utf-8"))}

    assert found == {"workers/services/stock.py"}
