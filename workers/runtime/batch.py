"""Batches: which messages are handled together, and what becomes of them. Pure decisions.

Being handled together is only cheaper. Whatever a batch cannot settle is handled *alone*, by the
ordinary way of a message, which has the rules for it: attempts, dead letters, lost leases.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from workers.envelope import Envelope, Event
from workers.pointer import is_reference
from workers.runtime.errors import Conflict, LeaseLost
from workers.runtime.lease import Lease
from workers.runtime.observability.canonical_line import CanonicalLine

# Messages of a batch. A transaction has at most 100 writes (MAX_ITEMS in aws/transact.py): an inbox
# row for each message, and if need be a document for each and some that they share.
MOST: Final = 40


@dataclass(slots=True, eq=False)
class Member:
    """One message of a batch."""

    lease: Lease
    line: CanonicalLine

    @property
    def envelope(self) -> Envelope[Event]:
        """The event of a member that was read. Raises ``LookupError`` before that."""
        if self.line.envelope is None:
            raise LookupError("the message has not been read")
        return self.line.envelope


Members: TypeAlias = Sequence[Member]


@dataclass(frozen=True, slots=True)
class Split:
    """How members go on: in batches of two or more, or alone."""

    batches: tuple[Members, ...] = ()
    alone: Members = ()


def may_join(lease: Lease) -> bool:
    """Return whether a message may be handled together with others.

    A redelivery may have crashed a worker, and has to be looked up. A message with a group waits
    for its turn. A large event is fetched from S3, which others should not wait for.
    """
    message = lease.message
    return (
        message.receive_count == 1
        and not message.group
        and lease.lost is None
        and not is_reference(message.body)
    )


def distinct(members: Members) -> Split:
    """Separate the second message with the same event: a transaction takes one inbox row of it."""
    first: dict[str, Member] = {}
    for member in members:
        first.setdefault(member.envelope.key, member)
    return _split(
        [list(first.values())],
        alone=[member for member in members if first[member.envelope.key] is not member],
    )


def without(members: Members, keys: Collection[str]) -> Split:
    """Return the members that go on after those with ``keys`` were found in the inbox."""
    return _split([[member for member in members if member.envelope.key not in keys]])


def after_failure(members: Members, error: Exception) -> Split:
    """Decide how members go on after their transaction failed with an error that is not an outage.

    One of them may be at fault, so each half is tried again, until it is alone. What does not
    shrink the batch would be repeated forever.
    """
    lost = [member for member in members if member.lease.lost is not None]
    match error:
        case LeaseLost() if lost:
            return _split([[m for m in members if m.lease.lost is None]], alone=lost)
        case Conflict():  # it persists, and a smaller transaction meets fewer others
            return Split(alone=members)
        case _:
            half = len(members) // 2
            return _split([members[:half], members[half:]])


def _split(groups: Sequence[Members], *, alone: Members = ()) -> Split:
    single = [member for group in groups if len(group) == 1 for member in group]
    return Split(tuple(group for group in groups if len(group) > 1), [*alone, *single])
