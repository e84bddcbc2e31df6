"""Compares one field, or what is said about an event, with what was released.

Says which side refuses what the other publishes; ``diff.py`` explains why either is breaking.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from workers.ops.contracts.contract import Deprecation, EventContract, Field

_ADD_INSTEAD: Final = "keep it as it is and add an optional field, or a new event next to this one"
_LOWER: Final = {"minimum", "exclusiveMinimum", "minLength", "minItems"}
_UPPER: Final = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}
_OLD_REFUSE: Final = "wider: old consumers refuse the new values"
_NEW_REFUSE: Final = "narrower: new consumers refuse stored events"
_BOTH_REFUSE: Final = "other values: old and new consumers refuse each other's"


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference to what was released, and what to do instead if it is breaking."""

    change: str
    breaking: bool = True
    instead: str = ""
    announces: Deprecation | None = None  # a removal that was not announced before


def of_field(was: Field, now: Field) -> Iterator[Difference]:
    """Compare a field that was released with the one that is there now."""
    yield from of_words(was, now)
    if now.required and not was.required:
        yield Difference(
            "optional became required", instead="keep it optional: stored events lack it"
        )
    if was.required and not now.required:
        yield _relaxed(now)
    if was.rules.get("type") != now.rules.get("type"):
        text = f"type {_told(was.rules, 'type')} became {_told(now.rules, 'type')}"
        yield Difference(text, instead=_ADD_INSTEAD)
        return
    for keyword in sorted((was.rules.keys() | now.rules.keys()) - _told_by_required(was, now)):
        if was.rules.get(keyword, ...) != now.rules.get(keyword, ...):  # null is a value
            yield _of_rule(keyword, was.rules, now.rules)


def of_words(was: Field | EventContract, now: Field | EventContract) -> Iterator[Difference]:
    """Compare descriptions, which are the declared meaning, and announcements."""
    if was.deprecated != now.deprecated:
        yield _announcement(was.deprecated, now.deprecated)
    if was.meaning == now.meaning:
        return
    if not was.meaning:
        yield Difference("described", breaking=False)
    elif now.reworded > was.reworded:
        yield Difference("reworded; the meaning is declared unchanged", breaking=False)
    else:
        instead = (
            "if the meaning changed, add a field or an event instead; if only the words did, "
            f"declare reworded({was.reworded + 1})"
        )
        yield Difference("the description changed", instead=instead)


def of_addition(field: Field) -> Difference:
    """Judge a field that no released version had."""
    if field.required:
        return Difference("new required field", instead="give it a default: stored events lack it")
    return Difference("new optional field", breaking=False)


def of_removal(was: Field | EventContract, today: date) -> Difference:
    """Judge that something is gone."""
    if was.deprecated is None:
        return Difference("removed", instead="put it back and mark it as deprecated first")
    if isinstance(was, Field) and was.required:
        instead = "give it a default first, in a version that still publishes it"
        return Difference("removed while required", instead=instead)
    day = was.deprecated.removed_not_before
    if today < day:
        return Difference("removed too early", instead=f"remove it on {day} or later")
    return Difference(f"removed as announced in {was.deprecated.since}", breaking=False)


def _relaxed(now: Field) -> Difference:
    if now.deprecated:
        return Difference("required became optional, to be removed", breaking=False)
    instead = "keep it required: old consumers need it; or mark it as deprecated"
    return Difference("required became optional", instead=instead)


def _told_by_required(was: Field, now: Field) -> set[str]:
    """Return the rules that say no more than a change of ``required``.

    A default appears and disappears with it. To become optional, a field of ours takes ``None``,
    which is never published.
    """
    if was.required and not now.required:
        return {"default", "nullable"}
    return {"default"} if was.required or now.required else set()


def _of_rule(keyword: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Difference:
    text = f"{keyword} {_told(was, keyword)} became {_told(now, keyword)}"
    if keyword == "default":
        return Difference(text, instead="keep the default: it is what an absent field means")
    effect = _effect(keyword, was.get(keyword), now.get(keyword))
    return Difference(f"{text} ({effect})", instead=_ADD_INSTEAD)


def _effect(keyword: str, was: Any, now: Any) -> str:
    """Say which side refuses what the other publishes. ``None`` is the absence of a rule."""
    if keyword == "nullable":
        return _OLD_REFUSE if now else _NEW_REFUSE
    if was is None or now is None:
        return _OLD_REFUSE if now is None else _NEW_REFUSE
    if keyword == "enum":
        if set(was) <= set(now):
            return _OLD_REFUSE
        return _NEW_REFUSE if set(was) >= set(now) else _BOTH_REFUSE
    if keyword in _UPPER | _LOWER:
        return _OLD_REFUSE if (now > was) == (keyword in _UPPER) else _NEW_REFUSE
    return _BOTH_REFUSE


def _told(rules: Mapping[str, Any], keyword: str) -> str:
    return str(rules[keyword]) if keyword in rules else "none"


def _announcement(was: Deprecation | None, now: Deprecation | None) -> Difference:
    if now is None:
        return Difference("no longer deprecated", breaking=False)
    day = now.removed_not_before
    if was and day < was.removed_not_before:
        instead = f"keep {was.removed_not_before}: consumers plan with it"
        return Difference(f"removal moved forward to {day}", instead=instead)
    text = f"deprecated since {now.since}, removed not before {day}: {now.instead}"
    return Difference(text, breaking=False, announces=None if was else now)
