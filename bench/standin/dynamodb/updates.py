"""Compiles update expressions to functions, each text once.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from collections.abc import Callable
from functools import lru_cache

from bench.standin.dynamodb.tokens import Names, Operand, Tokens, Values, at, operand
from bench.standin.dynamodb.values import Item, Value, added, removed, summed
from bench.standin.refusals import Refused

# What becomes of one attribute; None removes it.
Change = tuple[str, Operand]
Update = tuple[Change, ...]


@lru_cache(maxsize=256)
def update(text: str) -> Update:
    """Compile an update. Raises ``Refused`` if it is not one."""
    tokens, changes = Tokens(text), []
    while tokens.peek():
        clause = _CLAUSES.get(section := tokens.next())
        if clause is None:
            raise tokens.error(section)
        changes.append(clause(tokens))
        while tokens.take(","):
            changes.append(clause(tokens))
    return tuple(changes)


def apply(changes: Update, item: Item, names: Names, values: Values) -> tuple[Item, list[str]]:
    """Return the changed item, and the names of its changed attributes.

    Every operand sees the item as it was. Raises ``Refused`` for an operand of the wrong type.
    """
    new, touched = dict(item), []
    for path, change in changes:
        name = names[path] if path[0] == "#" else path
        touched.append(name)
        try:
            value = change(item, names, values)
        except (KeyError, TypeError):
            raise Refused(
                "ValidationException", "An operand in the update expression has an incorrect type"
            ) from None
        if value is None:
            new.pop(name, None)
        else:
            new[name] = value
    return new, touched


def _set(tokens: Tokens) -> Change:
    path = tokens.next()
    tokens.expect("=")
    first = _term(tokens)
    for sign, factor in (("+", 1), ("-", -1)):
        if tokens.take(sign):
            return path, _sum(first, factor, _term(tokens))
    return path, first


def _sum(one: Operand, factor: int, other: Operand) -> Operand:
    def total(item: Item, names: Names, values: Values) -> Value:
        left, right = one(item, names, values), other(item, names, values)
        if left is None or right is None:
            raise Refused(
                "ValidationException",
                "The provided expression refers to an attribute that does not exist in the item",
            )
        return summed(left, right, factor)

    return total


def _term(tokens: Tokens) -> Operand:
    if tokens.peek() != "if_not_exists":
        return operand(tokens)
    tokens.next()
    tokens.expect("(")
    path = tokens.next()
    tokens.expect(",")
    default = operand(tokens)
    tokens.expect(")")

    def present(item: Item, names: Names, values: Values) -> Value | None:
        found = at(item, path, names)
        return default(item, names, values) if found is None else found

    return present


def _remove(tokens: Tokens) -> Change:
    return tokens.next(), lambda *_: None


def _add(tokens: Tokens) -> Change:
    path, amount = tokens.next(), tokens.next()
    return path, lambda item, names, values: added(at(item, path, names), values[amount])


def _delete(tokens: Tokens) -> Change:
    path, gone = tokens.next(), tokens.next()
    return path, lambda item, names, values: removed(at(item, path, names), values[gone])


_CLAUSES: dict[str, Callable[[Tokens], Change]] = {
    "SET": _set,
    "REMOVE": _remove,
    "ADD": _add,
    "DELETE": _delete,
}
