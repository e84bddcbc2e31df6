"""Walks a value along its shape in the service's model."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import regex  # type: ignore[import-untyped]  # AWS's patterns have \p{L}, which re lacks
from botocore.model import ListShape, MapShape, Shape, StructureShape

# Java writes the characters beyond the basic plane as surrogates.
_SURROGATES: Final = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
_LENGTHS: Final = frozenset({"string", "blob", "list", "map"})
_NUMBERS: Final = frozenset({"integer", "long", "float", "double"})


def faults(value: Any, shape: Shape, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield what the model forbids, as the path of a member and a message."""
    yield from ((path, message) for message in _own(value, shape))
    match shape:
        case StructureShape() if isinstance(value, dict):
            missing = [name for name in shape.required_members if value.get(name) is None]
            yield from ((f"{path}.{name}".lstrip("."), "is required") for name in missing)
            for name, member in shape.members.items():
                if value.get(name) is not None:
                    yield from faults(value[name], member, f"{path}.{name}".lstrip("."))
        case ListShape() if isinstance(value, list):
            for number, each in enumerate(value):
                yield from faults(each, shape.member, f"{path}.{number}")
        case MapShape() if isinstance(value, dict):
            for key, each in value.items():
                yield from faults(key, shape.key, f"{path}.{key}")
                yield from faults(each, shape.value, f"{path}.{key}")


def _own(value: Any, shape: Shape) -> Iterator[str]:
    """Yield messages about a value itself, not about its members."""
    expected = _PYTHON.get(shape.type_name)
    if expected and not expected(value):
        yield f"{value!r:.60} is no {shape.type_name}"
    elif shape.type_name in _LENGTHS:
        yield from _outside(len(value), shape, "its length ")
    elif shape.type_name in _NUMBERS:
        yield from _outside(value, shape, "")
    if isinstance(value, str) and shape.type_name == "string":
        options = shape.metadata.get("enum")
        if options and value not in options:
            yield f"{value!r:.60} is not one of {', '.join(sorted(options))}"
        pattern = shape.metadata.get("pattern")
        if pattern and not _matches(pattern, value):
            yield f"{value!r:.60} does not match {pattern}"


def _outside(number: float, shape: Shape, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield f"{what}{number} is below the minimum of {least}"
    if most is not None and number > most:
        yield f"{what}{number} is above the maximum of {most}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_PYTHON: Final[dict[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "double": _is_number,
    "float": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "map": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
    "structure": lambda value: isinstance(value, dict),
}


def _matches(pattern: str, value: str) -> bool:
    """Match as AWS does: a pattern without anchors describes the whole value."""
    anchored = pattern.startswith("^") or pattern.endswith("$")
    compiled = _compiled(pattern)
    return (compiled.search(value) if anchored else compiled.fullmatch(value)) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern.replace(*_SURROGATES))
