"""Splits expressions into tokens, and reads operands: a name, a value, or ``size(name)``.

Names are those of top-level attributes. Paths into documents are refused: no service of this
project has one in a request.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.standin.dynamodb.values import Item, Value
from bench.standin.refusals import Refused

Names = Mapping[str, str]
Values = Mapping[str, Value]
Operand = Callable[[Item, Names, Values], Value | None]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+-]|[#:]?\w+)")
_KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})


@dataclass
class Tokens:
    """The tokens of an expression, read from the left."""

    text: str
    _left: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Split the text. Raises ``Refused`` for characters that are part of no token."""
        self._left = []
        position, text = 0, self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.error(text[position])
            self._left.append(found[1])
            position = found.end()
        self._left.reverse()

    def peek(self) -> str:
        """Return the next token, keywords in upper case; empty at the end."""
        token = self._left[-1] if self._left else ""
        return token.upper() if token.upper() in _KEYWORDS else token

    def next(self) -> str:
        """Take the next token. Raises ``Refused`` at the end."""
        token = self.peek()
        if not token:
            raise self.error("the end")
        self._left.pop()
        return token

    def take(self, token: str) -> bool:
        """Take the next token if it is this one."""
        found = self.peek() == token
        if found:
            self._left.pop()
        return found

    def expect(self, token: str) -> None:
        """Take this token. Raises ``Refused`` if the next one is another."""
        if not self.take(token):
            raise self.error(self.peek())

    def arguments(self) -> list[str]:
        """Take the arguments of a function, in parentheses."""
        self.expect("(")
        found = [self.next()]
        while self.take(","):
            found.append(self.next())
        self.expect(")")
        return found

    def end(self) -> None:
        """Raise ``Refused`` if tokens are left."""
        if self._left:
            raise self.error(self.peek())

    def error(self, token: str) -> Refused:
        """Return the refusal of an expression."""
        return Refused("ValidationException", f"Syntax error; token: {token!r} in {self.text!r}")


def at(item: Item, name: str, names: Names) -> Value | None:
    """Return an attribute; its name may be a placeholder."""
    return item.get(names[name] if name[0] == "#" else name)


def operand(tokens: Tokens) -> Operand:
    """Read an operand."""
    token = tokens.next()
    if token == "size":
        (path,) = tokens.arguments()
        return lambda item, names, _: _length(at(item, path, names))
    if token[0] == ":":
        return lambda _item, _names, values: values[token]
    return lambda item, names, _: at(item, token, names)


def _length(value: Value | None) -> Value | None:
    if value is None:
        return None
    return {"N": str(len(next(iter(value.values()))))}
