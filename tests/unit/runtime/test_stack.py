"""A hash that groups equal failures, and only those."""

import re
from types import FunctionType

import pytest

from workers.runtime.errors import PermanentError
from workers.runtime.stack import stack_hash

CODE = """
def charge(order, depth=0):
    if depth:
        return charge(order, depth - 1)
    return look_up(order)

def look_up(order):
    raise ERROR(f"no such order: {order}")

def refund(order):
    return look_up(order)
"""


def module(source=CODE, name="workers.services.shop", error=KeyError):
    """Compile a module of this name, as another version of the code would have it."""
    names = {"__name__": name, "ERROR": error}
    exec(compile(source, f"{name}.py", "exec"), names)  # noqa: S102 - code of this test
    return names


def failed(function, *args):
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - any
        function(*args)
    return stack_hash(raised.value)


def test_it_is_twelve_hexadecimal_characters_and_names_the_innermost_call():
    stack = failed(module()["charge"], 1)

    assert re.fullmatch("[0-9a-f]{12}", stack.hash)
    assert stack.frame == "workers.services.shop:look_up"


def test_the_text_of_the_error_does_not_count():
    charge = module()["charge"]

    assert failed(charge, 1).hash == failed(charge, "two").hash


def test_lines_that_moved_do_not_count():
    moved = module("\n\n# a comment\n" + CODE.replace("    return look_up", "\n    return look_up"))

    assert failed(moved["charge"], 1).hash == failed(module()["charge"], 1).hash


def test_another_way_another_type_and_another_function_do_count():
    base = failed(module()["charge"], 1).hash

    assert failed(module()["refund"], 1).hash != base
    assert failed(module(error=ValueError)["charge"], 1).hash != base
    assert failed(module(name="workers.services.other")["charge"], 1).hash != base


def test_the_depth_of_a_recursion_does_not_count():
    charge = module()["charge"]

    assert failed(charge, 1, 3).hash == failed(charge, 1, 30).hash == failed(charge, 1).hash


def test_the_runtime_below_the_handler_does_not_count():
    """A retry after a conflict calls the handler in another way than the first try."""
    shop = module()
    outer = "def run(f):\n    return f(1)\n\ndef again(f):\n    return run(f)\n"
    runtime = module(outer, "workers.runtime.inbox")

    straight = failed(runtime["run"], shop["charge"])

    assert failed(runtime["again"], shop["charge"]) == straight
    assert straight.frame == "workers.services.shop:look_up"


def test_of_a_library_only_the_last_function_counts():
    def library(inner):
        return module(f"def post(order):\n    {inner}\n", "requests.api")

    def calling(post):
        names = module("def charge(order):\n    return post(order)\n")
        names["post"] = post
        return failed(names["charge"], 1)

    inner = module("def send(order):\n    raise ERROR(order)\n", "requests.api")["send"]
    direct, wrapped = library("return send(order)"), library("return (lambda: send(order))()")
    direct["send"] = wrapped["send"] = inner

    assert calling(direct["post"]) == calling(wrapped["post"])
    assert calling(direct["post"]).frame == "workers.services.shop:charge"
    assert calling(inner).hash == calling(direct["post"]).hash


def test_what_caused_the_error_counts():
    source = """
def charge(cause):
    try:
        raise cause
    except Exception as error:
        raise PermanentError("no") from error
"""
    names = module(source)
    names["PermanentError"] = PermanentError

    assert failed(names["charge"], OSError()).hash != failed(names["charge"], KeyError()).hash


def test_an_error_without_a_stack_has_a_hash_of_its_type():
    assert stack_hash(KeyError(1)) == stack_hash(KeyError(2))
    assert stack_hash(KeyError(1)).frame == ""
    assert stack_hash(KeyError(1)).hash != stack_hash(ValueError(1)).hash


def test_causes_that_form_a_circle_end():
    first, second = KeyError(), ValueError()
    first.__cause__, second.__cause__ = second, first

    assert stack_hash(first).hash != stack_hash(second).hash


def test_functions_are_named_by_their_module(monkeypatch):
    shop = module()
    assert isinstance(shop["charge"], FunctionType)
    monkeypatch.delitem(shop, "__name__")

    assert failed(shop["charge"], 1).frame == "?:look_up"
