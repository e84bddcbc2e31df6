"""Groups of dead letters with one cause: the same event type, error type and stack."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from workers.ops.dlq import DeadMessage
from workers.ops.dlq_rows import NOTHING, Known

KEY_LENGTH: Final = 8


@dataclass(frozen=True)
class Group:
    """Dead letters with one cause."""

    key: str
    event_type: str  # empty if the body cannot be read
    type: str  # of the failure
    stack: str  # a hash; empty if unknown
    reason: str  # of the newest
    count: int
    processed: int  # handled since; a redrive of these does nothing
    redriven: int  # failed again after a redrive
    first_at: str  # ISO 8601
    last_at: str
    versions: tuple[str, ...]  # of the workers


def group_of(letter: DeadMessage) -> str:
    """Return the key of a dead letter's group."""
    parts = f"{letter.event_type}\n{letter.type}\n{letter.stack}"
    return sha256(parts.encode("utf-8", "replace")).hexdigest()[:KEY_LENGTH]


def grouped(letters: Iterable[DeadMessage], known: Mapping[str, Known]) -> list[Group]:
    """Group dead letters, the largest group first."""
    groups: dict[str, list[DeadMessage]] = {}
    for letter in letters:
        groups.setdefault(group_of(letter), []).append(letter)
    found = [_group(key, members, known) for key, members in groups.items()]
    return sorted(found, key=lambda group: (-group.count, group.key))


def _group(key: str, members: list[DeadMessage], known: Mapping[str, Known]) -> Group:
    newest = max(members, key=lambda letter: letter.failed_at)
    facts = [known.get(letter.key, NOTHING) for letter in members]
    return Group(
        key=key,
        event_type=newest.event_type,
        type=newest.type,
        stack=newest.stack,
        reason=newest.reason,
        count=len(members),
        processed=sum(fact.processed for fact in facts),
        redriven=sum(letter.redrives > 0 for letter in members),
        first_at=min((letter.first_at for letter in members if letter.first_at), default=""),
        last_at=newest.failed_at,
        versions=tuple(sorted({version for fact in facts for version in fact.versions})),
    )
