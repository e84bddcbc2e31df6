"""How relays share the shards of the outbox: each looks at all of them and takes its part.

Nobody decides for others. Every relay counts a heartbeat in one row and reads there who else is
alive; it reads who has which shard, and works out the same fair shares as everybody else. Who has
more gives the surplus up, who has less takes what is free. Where two of them see different things
for a moment, the leases decide, and the next look mends it.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeVar

from workers.aws.outbox_leases import LEASE, Held, OutboxLeases, ShardLease

# Within 30 s of a relay joining or leaving, however it left: its last sign of life is seen up to
# one look late, counts for LEASE, and the end of that is seen up to one look late.
LOOK_EVERY: Final = 5.0  # s


K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class View:
    """What one look at the table showed."""

    relays: frozenset[str]  # alive, whether or not they have a shard
    shards: Mapping[int, Held | None]
    free: AbstractSet[int]  # given up, never taken, or not renewed for too long

    def fair_share(self, owner: str) -> int:
        """Say how many shards a relay should have. ``owner`` need not have any now.

        As many as the others, give or take one; the odd ones stay with those that have most.
        """
        having = dict.fromkeys((*self.relays, owner), 0)
        for shard, held in self.shards.items():
            if held is not None and shard not in self.free:
                having[held.owner] = having.get(held.owner, 0) + 1
        share, odd = divmod(len(self.shards), len(having))
        ranking = sorted(having, key=lambda relay: (-having[relay], relay))
        return share + (ranking.index(owner) < odd)


class Stillness:
    """How long values have not changed, by the clock of this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[Hashable, tuple[object, float]] = {}

    def seconds(self, values: Mapping[K, object]) -> dict[K, float]:
        """Note all values by their names; say for how long (s) each has been seen as it is."""
        now = self._now()
        first = {name: (value, now) for name, value in values.items()}
        before = {name: self._seen.get(name, first[name]) for name in values}
        self._seen = {n: before[n] if before[n][0] == values[n] else first[n] for n in values}
        return {name: now - self._seen[name][1] for name in values}


class Share:
    """This relay's part of the shards."""

    def __init__(
        self,
        leases: OutboxLeases,
        owner: str,
        shards: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._owner = owner
        self._shards = range(shards)
        self._beats = Stillness(clock)
        self._fences = Stillness(clock)

    def look(self) -> View:
        """Show that this relay is alive, and see who else is and who has what."""
        over = LEASE.total_seconds()
        beats = self._leases.beat(self._owner)
        gone = {relay for relay, still in self._beats.seconds(beats).items() if still >= over}
        for relay in gone:
            self._leases.forget(relay, beats[relay])
        rows = {shard: self._leases.look(shard) for shard in self._shards}
        still = self._fences.seconds({shard: held and held.fence for shard, held in rows.items()})
        free = {s for s, held in rows.items() if not held or held.given_up or still[s] >= over}
        return View(frozenset(beats.keys() - gone), rows, free)

    def take(self, view: View, having: AbstractSet[int]) -> list[ShardLease]:
        """Take free shards until this relay has its share; ``having`` are those that it has."""
        wanted = view.fair_share(self._owner) - len(having)
        taken: list[ShardLease] = []
        for shard in sorted(view.free - having):
            if len(taken) >= wanted:
                break
            if lease := self._leases.take(shard, self._owner, view.shards[shard]):
                taken.append(lease)
        return taken

    def surplus(self, view: View, having: AbstractSet[int]) -> list[int]:
        """Name the shards that others should have."""
        return sorted(having)[view.fair_share(self._owner) :]

    def leave(self) -> None:
        """Stop counting as a relay, so that others need not wait until we are missed."""
        beats = self._leases.beat(self._owner)
        self._leases.forget(self._owner, beats[self._owner])
