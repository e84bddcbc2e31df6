"""Messages that an interrupted redrive may have sent on: settles each, losing and doubling none."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from workers.aws.dead_letters import Peeked, take
from workers.aws.holding import Hold
from workers.aws.moving import batches, delete
from workers.ops.dlq import DeadMessage, explained
from workers.ops.dlq_place import Place
from workers.ops.dlq_rows import known_about
from workers.ops.operations import Intent

PATIENCE: Final = 10.0  # s that a service gets to handle what may have been sent
_GLANCE: Final = 1.0  # s


@dataclass(frozen=True)
class Decided:
    """The end of each message in doubt that is not settled yet."""

    sent: int  # for certain, and deleted
    again: tuple[Peeked, ...]  # to be sent: the inbox makes a second copy harmless
    left: tuple[Peeked, ...]  # a second copy would be a second dead letter; and their groups


@dataclass
class Doubts:
    """What the intents of an interrupted run leave open."""

    intents: tuple[Intent, ...]
    _messages: dict[str, Peeked] = field(default_factory=dict)
    _others: tuple[Peeked, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """The messages that no run may simply move."""
        return frozenset().union(*(intent.ids for intent in self.intents))

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the intents."""
        return tuple(intent.slot for intent in self.intents)

    def finish_sent(self, place: Place, messages: Iterable[Peeked], hold: Hold) -> int:
        """Delete what was sent for certain, and return how many; remember what may have been."""
        sent = frozenset().union(*(intent.ids for intent in self.intents if intent.sent))
        messages = list(messages)
        self._messages = {m.id: m for m in messages if m.id in self.ids - sent}
        # Held or not, a FIFO queue hides them from now on: their groups have messages in flight.
        self._others = tuple(m for m in messages if m.id not in self.ids)
        known = [message for message in messages if message.id in sent]
        _delete(place, hold, known)
        return len(known)

    def decide(self, place: Place, hold: Hold) -> Decided:
        """Look for evidence that messages were sent, and delete those."""
        deadline, sent = time.monotonic() + PATIENCE, 0
        while True:
            more = take(place.sqs, place.source)
            newer = [message for message in more.messages if message.id not in self._messages]
            try:
                superseded = self._superseded(place, [*self._others, *newer])
            finally:
                hold.add(newer)
                hold.let_go(newer)
            _delete(place, hold, superseded)
            for message in superseded:
                del self._messages[message.id]
            sent += len(superseded)
            if not self._messages or time.monotonic() >= deadline:
                break
            time.sleep(_GLANCE)
        rest = self._messages.values()
        lanes = {message.lane for message in rest if explained(message).schema}
        return Decided(
            sent,
            again=tuple(message for message in rest if message.lane not in lanes),
            left=tuple(message for message in rest if message.lane in lanes),
        )

    def _superseded(self, place: Place, newer: Sequence[Peeked]) -> list[Peeked]:
        """Return the messages that were sent: handled meanwhile, or dead-lettered once more."""
        letters = {message.id: explained(message) for message in self._messages.values()}
        keys = (letter.key for letter in letters.values())
        known = known_about(place.dynamodb, place.table, keys, scope=place.scope)
        back = [explained(message) for message in newer]
        return [
            self._messages[letter.id]
            for letter in letters.values()
            if known[letter.key].processed or any(_follows(other, letter) for other in back)
        ]


def _follows(other: DeadMessage, letter: DeadMessage) -> bool:
    """Return whether another dead letter of the same event came later: it takes its place."""
    return other.key == letter.key and other.sent_at > letter.sent_at


def _delete(place: Place, hold: Hold, messages: Sequence[Peeked]) -> None:
    for batch in batches(messages):
        delete(place.sqs, place.source, batch)
        hold.drop(batch)
