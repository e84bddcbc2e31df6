"""Compiles condition, filter and key expressions to functions, each text once.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from bench.standin.dynamodb.tokens import Names, Tokens, Values, at, operand
from bench.standin.dynamodb.values import Item, Value, comparable

Condition = Callable[[Item, Names, Values], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@lru_cache(maxsize=256)
def condition(text: str) -> Condition:
    """Compile a condition. Raises ``Refused`` if it is not one."""
    tokens = Tokens(text)
    compiled = _any_of(tokens)
    tokens.end()
    return compiled


def _any_of(tokens: Tokens) -> Condition:
    terms = [_all_of(tokens)]
    while tokens.take("OR"):
        terms.append(_all_of(tokens))
    return terms[0] if len(terms) == 1 else lambda *given: any(term(*given) for term in terms)


def _all_of(tokens: Tokens) -> Condition:
    terms = [_term(tokens)]
    while tokens.take("AND"):
        terms.append(_term(tokens))
    return terms[0] if len(terms) == 1 else lambda *given: all(term(*given) for term in terms)


def _term(tokens: Tokens) -> Condition:
    if tokens.take("NOT"):
        negated = _term(tokens)
        return lambda *given: not negated(*given)
    if tokens.take("("):
        inner = _any_of(tokens)
        tokens.expect(")")
        return inner
    if (function := tokens.peek()) in _FUNCTIONS:
        tokens.next()
        return _FUNCTIONS[function](*tokens.arguments())
    return _comparison(tokens)


def _comparison(tokens: Tokens) -> Condition:
    left = operand(tokens)
    if tokens.take("BETWEEN"):
        low = operand(tokens)
        tokens.expect("AND")
        high = operand(tokens)
        return lambda *given: (
            _compared(low, "<=", left, given) and _compared(left, "<=", high, given)
        )
    if tokens.take("IN"):
        tokens.expect("(")
        listed = [operand(tokens)]
        while tokens.take(","):
            listed.append(operand(tokens))
        tokens.expect(")")
        return lambda *given: any(_equal(left(*given), each(*given)) for each in listed)
    sign = tokens.next()
    right = operand(tokens)
    match sign:
        case "=":
            return lambda *given: _equal(left(*given), right(*given))
        case "<>":
            return lambda *given: not _equal(left(*given), right(*given))
        case _ if sign in _COMPARE:
            return lambda *given: _compared(left, sign, right, given)
    raise tokens.error(sign)


def _equal(one: Value | None, other: Value | None) -> bool:
    return one is not None and other is not None and comparable(one) == comparable(other)


def _compared(left: Any, sign: str, right: Any, given: Any) -> bool:
    """Compare two operands; false if one is missing or has another type."""
    one, other = left(*given), right(*given)
    if one is None or other is None:
        return False
    (kind, low), (other_kind, high) = comparable(one), comparable(other)
    return kind == other_kind and _COMPARE[sign](low, high)


def _exists(path: str) -> Condition:
    return lambda item, names, _: at(item, path, names) is not None


def _missing(path: str) -> Condition:
    return lambda item, names, _: at(item, path, names) is None


def _begins(path: str, value: str) -> Condition:
    def begins(item: Item, names: Names, values: Values) -> bool:
        found = at(item, path, names) or {}
        return str(found.get("S", "")).startswith(values[value]["S"]) and "S" in found

    return begins


def _contains(path: str, value: str) -> Condition:
    def contains(item: Item, names: Names, values: Values) -> bool:
        found = at(item, path, names)
        if found is None:
            return False
        ((kind, raw),) = found.items()
        wanted = values[value]
        return wanted in raw if kind == "L" else next(iter(wanted.values())) in raw

    return contains


_FUNCTIONS: dict[str, Callable[..., Condition]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _missing,
    "begins_with": _begins,
    "contains": _contains,
}
