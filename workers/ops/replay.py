"""Replays archived events to one service: under their own ids, byte for byte, to its queue only.

Events that the service has handled are left out; its inbox recognises the others if they arrive
twice. So a replay can be interrupted, resumed and repeated.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from workers.aws.resend import Sender
from workers.ops.archive import Archived, Position, Unreadable
from workers.ops.handled import handled
from workers.runtime.memory import INBOX_RETENTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHUNK: Final = 100  # events that are looked up, sent and saved together
# Until a replayed event is handled it may wait in the queue (4 days), in the dead-letter queue (14)
# and in the queue again. The inbox must remember it for so long: runtime/memory.py.
MEMORY: Final = INBOX_RETENTION - timedelta(days=22)
CANARY_PATIENCE: Final = 120.0  # s until the canaries are handled
_POLL: Final = 0.5  # s
_MAX_UNREADABLE: Final = 10  # that are named


class CanaryFailed(Exception):
    """Some canaries were not handled in time; the text names them. Nothing else was sent."""


@dataclass(frozen=True)
class Options:
    """Choices of the operator."""

    send: bool = False  # False: a dry run
    again: bool = False  # also events that the service has handled
    forgotten: bool = False  # also events that its inbox may no longer remember
    canary: int = 0  # events that must be handled before the others are sent; 0: none
    rate: float = 0  # events per second; 0: as fast as possible


@dataclass
class Tally:
    """The result so far. ``types`` counts the events to send, or sent, by type."""

    read: int = 0
    types: dict[str, int] = field(default_factory=dict)
    handled: int = 0  # left out: the service has handled them
    forgotten: int = 0  # left out: so old that its inbox may no longer remember them
    too_old: int = 0  # of those to send: so old that the service refuses them; inbox.py
    repeats: int = 0  # left out: copies of an event read just before
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)  # the first unreadable lines

    @property
    def events(self) -> int:
        """The number of events to send, or sent."""
        return sum(self.types.values())

    def add(self, chosen: Iterable[Archived]) -> None:
        """Count events that are, or would be, sent."""
        for each in chosen:
            self.types[each.type] = self.types.get(each.type, 0) + 1


@dataclass(frozen=True)
class Replay:
    """Sends events to a service. ``save`` keeps the position up to which all events were sent."""

    dynamodb: "DynamoDBClient"
    table: str  # of the service
    scope: str  # of the generation that the service uses
    sender: Sender
    options: Options
    save: Callable[[Position, Tally], None] = lambda _position, _tally: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, found: Iterable[Archived | Unreadable], tally: Tally) -> None:
        """Send the events, or only count them in a dry run; ``tally`` is kept up to date.

        Raises ``CanaryFailed``, and ``Unavailable`` if AWS does not answer.
        """
        began, before = self.clock(), tally.events
        canaries: list[Archived] = []
        for chunk in _chunks(found, self._chunk_size()):
            chosen = self._choose(chunk, tally)
            if self.options.send:
                while chosen and len(canaries) < self.options.canary:
                    first = chosen[: self.options.canary - len(canaries)]
                    self._send(first, tally)
                    canaries += first
                    chosen = chosen[len(first) :]
                    if len(canaries) == self.options.canary:
                        self._await(canaries)
                self._send(chosen, tally)
                self.save(chunk[-1].position, tally)
                self._keep_to_the_rate(began, tally.events - before)
            else:
                tally.add(chosen)
        if 0 < len(canaries) < self.options.canary:
            self._await(canaries)

    def _choose(self, chunk: Sequence[Archived | Unreadable], tally: Tally) -> list[Archived]:
        events = []
        for each in chunk:
            if isinstance(each, Archived):
                events.append(each)
                continue
            tally.unreadable += 1
            if len(tally.problems) < _MAX_UNREADABLE:
                place = each.position
                tally.problems.append(f"{place.key}, event {place.number}: {each.reason}")
        tally.read += len(events)
        single = list({each.key: each for each in events}.values())
        tally.repeats += len(events) - len(single)
        if not self.options.again:
            known = self._handled([each.key for each in single])
            tally.handled += sum(each.key in known for each in single)
            single = [each for each in single if each.key not in known]
        if not self.options.forgotten:
            oldest = self.now() - MEMORY
            tally.forgotten += sum(each.occurred_at < oldest for each in single)
            single = [each for each in single if each.occurred_at >= oldest]
        tally.too_old += sum(each.occurred_at < self.now() - INBOX_RETENTION for each in single)
        return single

    def _send(self, events: Sequence[Archived], tally: Tally) -> None:
        if events:
            self.sender.send([each.event for each in events])
            tally.add(events)

    def _await(self, canaries: Sequence[Archived]) -> None:
        """Wait until the service has handled the canaries."""
        deadline = self.clock() + CANARY_PATIENCE
        waiting = {each.key: each for each in canaries}
        while True:
            for key in self._handled(waiting):
                del waiting[key]
            if not waiting:
                return
            if self.clock() >= deadline:
                break
            self.sleep(_POLL)
        missing = ", ".join(f"{each.type} {each.event.event_id}" for each in waiting.values())
        raise CanaryFailed(
            f"{len(waiting)} of {len(canaries)} canaries were not handled within "
            f"{CANARY_PATIENCE:.0f} s: {missing}"
        )

    def _handled(self, keys: Collection[str]) -> set[str]:
        return handled(self.dynamodb, self.table, keys, scope=self.scope)

    def _chunk_size(self) -> int:
        """Return a size that takes at most a second at the rate asked for."""
        rate = self.options.rate
        return min(CHUNK, max(1, int(rate))) if rate else CHUNK

    def _keep_to_the_rate(self, began: float, sent: int) -> None:
        if self.options.rate:
            self.sleep(max(0.0, began + sent / self.options.rate - self.clock()))


def _chunks(
    found: Iterable[Archived | Unreadable], size: int
) -> Iterator[list[Archived | Unreadable]]:
    remaining = iter(found)
    while chunk := list(islice(remaining, size)):
        yield chunk
