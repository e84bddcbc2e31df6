"""Divides the shards of the outbox between relays, without a coordinator.

Each relay counts a heartbeat in one shared row, which also shows which relays are alive. It reads
the owner of each shard and computes the same fair shares as the others. A relay with too many
shards gives up the surplus; one with too few takes free shards. If two relays briefly see
different states, the leases decide, and the next look corrects the shares.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeVar

from workers.aws.outbox_leases import LEASE, Held, OutboxLeases, ShardLease

# Shares are balanced within 30 s of a relay joining or leaving, even by a crash: its last heartbeat
# is seen up to one look late and is valid for LEASE; its end is seen up to one look late.
LOOK_EVERY: Final = 5.0  # s


K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class View:
    """The state of relays and shards, as read by one look at the table."""

    relays: frozenset[str]  # alive, with or without a shard
    shards: Mapping[int, Held | None]
    free: AbstractSet[int]  # given up, never taken, or not renewed for too long

    def fair_share(self, owner: str) -> int:
        """Return the number of shards that ``owner`` should have. It may have none now.

        Shares differ by at most one; the larger ones go to the relays that have the most shards.
        """
        counts = dict.fromkeys((*self.relays, owner), 0)
        for shard, held in self.shards.items():
            if held is not None and shard not in self.free:
                counts[held.owner] = counts.get(held.owner, 0) + 1
        share, remainder = divmod(len(self.shards), len(counts))
        ranking = sorted(counts, key=lambda relay: (-counts[relay], relay))
        return share + (ranking.index(owner) < remainder)


class Unchanged:
    """Measures how long values have not changed, by the clock of this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[Hashable, tuple[object, float]] = {}

    def seconds(self, values: Mapping[K, object]) -> dict[K, float]:
        """Record the current values; return for each how long (s) it has been unchanged."""
        now = self._now()
        current = {name: (value, now) for name, value in values.items()}
        before = {name: self._seen.get(name, current[name]) for name in values}
        self._seen = {n: before[n] if before[n][0] == values[n] else current[n] for n in values}
        return {name: now - self._seen[name][1] for name in values}


class Share:
    """This relay's share of the shards."""

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
        self._beats = Unchanged(clock)
        self._fences = Unchanged(clock)

    def look(self) -> View:
        """Send a heartbeat, and read the other relays and the owners of all shards."""
        expiry = LEASE.total_seconds()
        beats = self._leases.beat(self._owner)
        gone = {relay for relay, age in self._beats.seconds(beats).items() if age >= expiry}
        for relay in gone:
            self._leases.forget(relay, beats[relay])
        rows = {shard: self._leases.look(shard) for shard in self._shards}
        ages = self._fences.seconds({shard: held and held.fence for shard, held in rows.items()})
        free = {s for s, held in rows.items() if not held or held.given_up or ages[s] >= expiry}
        return View(frozenset(beats.keys() - gone), rows, free)

    def take(self, view: View, owned: AbstractSet[int]) -> list[ShardLease]:
        """Take free shards up to the fair share. ``owned`` are the shards this relay has."""
        missing = view.fair_share(self._owner) - len(owned)
        taken: list[ShardLease] = []
        for shard in sorted(view.free - owned):
            if len(taken) >= missing:
                break
            if lease := self._leases.take(shard, self._owner, view.shards[shard]):
                taken.append(lease)
        return taken

    def surplus(self, view: View, owned: AbstractSet[int]) -> list[int]:
        """Return the shards to give up."""
        return sorted(owned)[view.fair_share(self._owner) :]

    def leave(self) -> None:
        """Remove this relay from the heartbeats, so that others need not wait for it to expire."""
        beats = self._leases.beat(self._owner)
        self._leases.forget(self._owner, beats[self._owner])
