"""Attribute values as they are on the wire: ``{"S": "text"}``, ``{"N": "5"}``, and so on.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any, Final

Value = Mapping[str, Any]
Item = dict[str, Value]

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_NUMBERS: Final = Context(prec=38)
SETS: Final = frozenset({"SS", "NS", "BS"})


def comparable(value: Value) -> tuple[str, Any]:
    """Return type and value, so that equal values are equal: 1.0 and 1, and sets in any order."""
    ((kind, raw),) = value.items()
    if kind == "N":
        return kind, Decimal(raw)
    return (kind, frozenset(raw)) if kind in SETS else (kind, raw)


def added(old: Value | None, amount: Value) -> Value:
    """Return what ADD makes of a value: the sum of numbers, or the union of sets."""
    ((kind, raw),) = amount.items()
    if kind in SETS:
        return {
            kind: [*(old[kind] if old else ()), *(x for x in raw if not old or x not in old[kind])]
        }
    return summed(old or {"N": "0"}, amount, 1)


def removed(old: Value | None, gone: Value) -> Value | None:
    """Return what DELETE leaves of a set; None if nothing is left."""
    ((kind, raw),) = gone.items()
    left = [each for each in (old or {}).get(kind, ()) if each not in raw]
    return {kind: left} if left else None


def summed(one: Value, other: Value, sign: int) -> Value:
    """Add ``sign`` times another number."""
    try:
        return {"N": str(int(one["N"]) + sign * int(other["N"]))}
    except ValueError:
        total = _NUMBERS.add(Decimal(one["N"]), sign * Decimal(other["N"]))
        return {"N": f"{total.normalize(_NUMBERS):f}"}


def size_of(item: Mapping[str, Value]) -> int:
    """Return the size of an item in bytes, as it is billed.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Value) -> int:
    ((kind, raw),) = value.items()
    return _SIZES[kind](raw)


def _digits(number: str) -> int:
    """Two digits take a byte, and the number one more."""
    return len(number.strip("-0.")) // 2 + 2


def _text(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": _text,
    "N": _digits,
    "B": lambda encoded: len(encoded) * 3 // 4,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "M": lambda fields: 3 + sum(1 + _text(name) + _size(each) for name, each in fields.items()),
    "L": lambda elements: 3 + sum(1 + _size(each) for each in elements),
    "SS": lambda texts: sum(map(_text, texts)),
    "NS": lambda numbers: sum(map(_digits, numbers)),
    "BS": lambda blobs: sum(len(encoded) * 3 // 4 for encoded in blobs),
}
