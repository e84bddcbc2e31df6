"""Selections of dead letters: by id, by group, or by a JMESPath expression over a document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import jmespath
from jmespath.exceptions import ArityError, JMESPathError, ParseError, UnknownFunctionError

from workers.ops.dlq import DeadMessage
from workers.ops.dlq_groups import group_of
from workers.ops.dlq_rows import NOTHING, Known


class SelectionError(Exception):
    """The selection is wrong, or selects what is not there; the text says what exists."""


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant. Without a criterion: all."""

    ids: tuple[str, ...] = ()  # ids, or unique prefixes of ids
    group: str = ""  # a key, or a unique prefix
    where: str = ""  # JMESPath

    @property
    def everything(self) -> bool:
        """Whether nothing is filtered."""
        return not (self.ids or self.group or self.where)

    def __str__(self) -> str:
        """Write the selection as options of the command line."""
        options = [f"--id {each}" for each in self.ids]
        options += [f"--group {self.group}"] if self.group else []
        options += [f"--where {self.where}"] if self.where else []
        return " ".join(options) or "all"

    @property
    def digest(self) -> str:
        """A hash that tells selections apart. An expression may hold a customer's address."""
        return sha256(str(self).encode()).hexdigest()[:16]

    def check(self) -> None:
        """Raise ``SelectionError`` if the expression cannot be read, with the position."""
        if not self.where:
            return
        try:
            _compiled(self.where).search(document(_SAMPLE, NOTHING))
        except (UnknownFunctionError, ArityError) as error:
            name = str(error).partition("(")[0].rpartition(" ")[2]
            position = max(0, self.where.find(f"{name}("))
            raise SelectionError(_at(self.where, position, str(error))) from None
        except JMESPathError:  # a type that does not fit: messages differ from the sample
            return


def select(
    selection: Selection,
    letters: Sequence[DeadMessage],
    known: Mapping[str, Known],
    *,
    lenient: bool = False,
) -> list[DeadMessage]:
    """Return the dead letters that meet every criterion, in order.

    Raises ``SelectionError``; not if ``lenient``, when an id or group is gone.
    """
    found = list(letters)
    if selection.ids:
        existing = [letter.id for letter in letters]
        ids = {_unique(wanted, existing, "message", lenient) for wanted in selection.ids}
        found = [letter for letter in found if letter.id in ids]
    if selection.group:
        groups = sorted({group_of(letter) for letter in letters})
        group = _unique(selection.group, groups, "group", lenient)
        found = [letter for letter in found if group_of(letter) == group]
    if selection.where:
        expression = _compiled(selection.where)
        found = [
            letter
            for letter in found
            if _is_true(expression, document(letter, known.get(letter.key, NOTHING)))
        ]
    return found


def document(letter: DeadMessage, known: Known) -> dict[str, Any]:
    """Return what a JMESPath expression sees; docs/OPERATIONS.md lists the fields."""
    try:
        body = json.loads(letter.body)
    except (ValueError, RecursionError):
        body = None
    return {
        "id": letter.id,
        "group": group_of(letter),
        "body": body,
        "text": letter.body,
        "readable": not letter.schema,
        "processed": known.processed,
        "failure": {
            "type": letter.type,
            "reason": letter.reason,
            "at": letter.failed_at,
            "firstAt": letter.first_at,
            "attempts": letter.attempts,
            "redrives": letter.redrives,
            "stack": letter.stack,
        },
        "attempts": [
            {
                "at": each.at,
                "type": each.type,
                "reason": each.reason,
                "outcome": each.outcome,
                "version": each.version,
                "worker": each.worker,
            }
            for each in known.attempts
        ],
    }


def short_ids(ids: Sequence[str], least: int = 8) -> dict[str, str]:
    """Return the shortest unique prefix of each id, of at least ``least`` characters."""
    for length in range(least, max(map(len, ids), default=least) + 1):
        if len({each[:length] for each in ids}) == len(set(ids)):
            return {each: each[:length] for each in ids}
    return {each: each for each in ids}


def _unique(wanted: str, existing: Sequence[str], noun: str, lenient: bool) -> str:  # noqa: FBT001
    matches = [each for each in existing if each == wanted] or [
        each for each in existing if wanted and each.startswith(wanted)
    ]
    if len(matches) == 1:
        return matches[0]
    if lenient and not matches:
        return ""
    shown = ", ".join(list(short_ids(existing).values())[:20]) or "none"
    more = f" and {len(existing) - 20} more" if len(existing) > 20 else ""  # noqa: PLR2004
    raise SelectionError(f"{len(matches)} {noun}s match {wanted!r}. There are: {shown}{more}")


def _compiled(expression: str) -> Any:
    try:
        return jmespath.compile(expression)
    except ParseError as error:
        position = min(error.lex_position, len(expression))
        reason = str(error).partition(": ")[2].splitlines()[0].rstrip(":")
        raise SelectionError(_at(expression, position, reason)) from None
    except JMESPathError as error:
        raise SelectionError(f"--where: {error}") from None


def _is_true(expression: Any, about: Mapping[str, Any]) -> bool:
    """Return whether the expression is true of a document: neither false, null nor empty."""
    try:
        found = expression.search(about)
    except JMESPathError as error:
        raise SelectionError(f"--where: message {about['id']}: {error}") from None
    return found is not None and found is not False and found not in ("", [], {})


def _at(expression: str, position: int, reason: str) -> str:
    return (
        f"--where: {reason or 'cannot be read'} at position {position + 1}\n"
        f"  {expression}\n  {' ' * position}^"
    )


_SAMPLE: Final = DeadMessage("", "", "", "", "", "", 0, "", "", 0, "", "")
