"""Reads the values of a ``.tfvars`` file: strings, numbers, booleans, lists and objects."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_TOKEN: Final = re.compile(
    r'\s+|[#;][^\n]*|(?P<string>"[^"]*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[\w-]+)'
    r"|(?P<sign>[={}\[\],])"
)
_WORDS: Final = {"true": True, "false": False, "null": None}


def read(path: Path) -> dict[str, Any]:
    """Return the variables that a file sets. Raises ``ValueError`` for what it cannot read."""
    tokens = _Tokens(path.read_text("utf-8"))
    return _pairs(tokens, end="")


class _Tokens:
    """The tokens of a text, with a look at the next one."""

    def __init__(self, text: str) -> None:
        self._rest = self._split(text)
        self.next = next(self._rest, "")

    def take(self) -> str:
        """Return the next token and move on; empty at the end."""
        taken, self.next = self.next, next(self._rest, "")
        return taken

    def expect(self, sign: str) -> None:
        """Take a token, which must be ``sign``."""
        if (found := self.take()) != sign:
            raise ValueError(f"expected {sign}, found {found or 'the end'}")

    @staticmethod
    def _split(text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"cannot read {text[at : at + 20]!r}")
            at = match.end()
            if match.lastgroup:
                yield match.group()


def _pairs(tokens: _Tokens, *, end: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while tokens.next != end:
        name = tokens.take().strip('"')
        tokens.expect("=")
        found[name] = _value(tokens)
        if tokens.next == ",":
            tokens.take()
    tokens.take()
    return found


def _value(tokens: _Tokens) -> Any:
    first = tokens.take()
    if first == "{":
        return _pairs(tokens, end="}")
    if first == "[":
        return _items(tokens)
    if first.startswith('"'):
        return first[1:-1]
    if first in _WORDS:
        return _WORDS[first]
    return float(first) if "." in first else int(first)


def _items(tokens: _Tokens) -> list[Any]:
    found: list[Any] = []
    while tokens.next != "]":
        found.append(_value(tokens))
        if tokens.next == ",":
            tokens.take()
    tokens.take()
    return found
