"""Patches moto by wrapping a method of a class or a function of a module.

The docstring of each patch names the AWS behaviour that it restores.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

Method: TypeAlias = Callable[..., Any]


def wrap(owner: type | ModuleType, name: str) -> Callable[[Method], Method]:
    """Replace ``owner.name`` by the decorated function, which gets the original first."""
    original = getattr(owner, name)

    def install(wrapper: Method) -> Method:
        def method(self: object, *args: object, **named: object) -> object:
            return wrapper(original, self, *args, **named)

        setattr(owner, name, method)
        return wrapper

    return install
