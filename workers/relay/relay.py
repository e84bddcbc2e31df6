"""The relay: a thread for each shard that it has, and one that keeps to a fair share of them."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event as Flag
from typing import Final

import structlog

from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.relay.metrics import RelayMetrics
from workers.relay.share import LOOK_EVERY, Share
from workers.relay.sweep import PAGE, Sweep
from workers.runtime.errors import Conflict, Unavailable
from workers.runtime.ports import Topic
from workers.runtime.settlement import full_jitter

SHORTEST_PAUSE: Final = 0.5  # s
LONGEST_PAUSE: Final = 5.0  # s; once nothing has turned up for a while
FIRST_BACKOFF: Final = 1.0  # s
LONGEST_BACKOFF: Final = 30.0  # s
MEASURE_EVERY: Final = 10.0  # s
SIT_OUT_AFTER: Final = 3  # failures in a row of one shard
SIT_OUT: Final = 30.0  # s

log = structlog.get_logger()


class Turns:
    """Sweeps one shard again and again, at the pace at which rows turn up."""

    def __init__(
        self,
        sweep: Sweep,
        *,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self.sweep = sweep
        self.failures = 0
        self.over = False  # ``run`` is about to return, or has
        self._clock = clock
        self._uniform = uniform
        self._not_before = -float("inf")
        self._idle = 0  # sweeps in a row that found nothing

    def run(self, stopping: Flag) -> None:
        """Step until ``stopping`` is set, then let another relay have the shard at once."""
        try:
            while not stopping.is_set():
                stopping.wait(self.step())
        finally:
            self.over = True
            self.release()

    def release(self) -> None:
        """Let another relay have the shard; if that cannot be told now, it will find out."""
        with _reported(self.sweep.shard):
            self.sweep.release()

    def step(self) -> float:
        """Sweep once, if it is our shard and time for it; return how long to wait then (s)."""
        if self.sweep.leaving:
            self.release()
        if not self.sweep.holds:
            self.failures = self._idle = 0
            return SHORTEST_PAUSE
        if self._clock() < self._not_before:
            return min(SHORTEST_PAUSE, self._not_before - self._clock())
        found = self._take()
        if found >= PAGE:
            return 0.0
        self._idle = 0 if found else self._idle + 1
        return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(max(0, self._idle - 1), 10))

    def _take(self) -> int:
        try:
            found = self.sweep.run()
        except Unavailable as error:
            self.failures += 1
            delay = full_jitter(
                self.failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF, uniform=self._uniform
            )
            self._not_before = self._clock() + delay
            _report(self.sweep.shard, error, failures=self.failures, delay=round(delay, 2))
            return 0
        self.failures = 0
        return found


class Relay:
    """Publishes its share of the outbox. Any number of them may run."""

    def __init__(
        self,
        outbox: Outbox,
        leases: OutboxLeases,
        topic: Topic,
        *,
        owner: str,
        metrics: RelayMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``owner`` names this process in the leases; no other process may have the same."""
        self._outbox = outbox
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._share = Share(leases, owner, outbox.SHARDS, clock=clock)
        self._measured_at = self._back_at = -float("inf")
        self.turns = [
            Turns(
                Sweep(shard, outbox, leases, topic, metrics=metrics, now=now, clock=clock),
                clock=clock,
                uniform=uniform,
            )
            for shard in range(outbox.SHARDS)
        ]

    def loops(self) -> Mapping[str, Callable[[Flag], None]]:
        """Name the loops: each wants a thread of its own, and ends once its flag is set."""
        sweeps = {f"shard-{turns.sweep.shard}": turns.run for turns in self.turns}
        return {"relay": self.run, **sweeps}

    def run(self, stopping: Flag) -> None:
        """Keep to our share until ``stopping`` is set."""
        while not stopping.is_set():
            self.step()
            stopping.wait(LOOK_EVERY)
        self._leave(range(self._outbox.SHARDS))
        for turns in self.turns:
            if turns.over:  # we may have offered it a lease after it had ended
                turns.release()
        with _reported(shard=None):
            self._share.leave()

    def step(self) -> None:
        """Take what is our share and free, give up what is more than that; measure."""
        with _reported(shard=None):
            self._balance()
        if self._clock() - self._measured_at >= MEASURE_EVERY:
            self._measured_at = self._clock()
            with _reported(shard=None):
                self._measure()

    def _balance(self) -> None:
        if self._clock() < self._back_at:
            return
        view = self._share.look()
        having = {turns.sweep.shard for turns in self.turns if turns.sweep.holds}
        if len(view.relays) > 1 and any(turns.failures >= SIT_OUT_AFTER for turns in self.turns):
            # Others may reach what we cannot. If nobody does, whoever is alone goes on trying.
            log.warning("outbox.sitting_out", seconds=SIT_OUT)
            self._back_at = self._clock() + SIT_OUT
            self._share.leave()
            self._leave(having)
            return
        self._leave(self._share.surplus(view, having))
        asked_at = self._clock()
        for lease in self._share.take(view, having):
            self.turns[lease.shard].sweep.offer(lease, asked_at)

    def _leave(self, shards: Iterable[int]) -> None:
        for shard in shards:
            self.turns[shard].sweep.leaving = True

    def _measure(self) -> None:
        """Look at all shards, whoever has their leases: somebody has to notice that nobody has."""
        now = self._now()
        for shard in range(self._outbox.SHARDS):
            oldest = self._outbox.oldest(shard)
            age = (now - oldest).total_seconds() if oldest else 0.0
            self._metrics.oldest.labels(shard).set(max(0.0, age))
        self._metrics.stuck.set(self._outbox.stuck_count())


@contextmanager
def _reported(shard: int | None) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        _report(shard, error)
    except Conflict as error:
        log.warning("outbox.conflict", shard=shard, reason=str(error))


def _report(shard: int | None, error: Unavailable, **fields: float) -> None:
    log.warning(
        "outbox.unavailable",
        shard=shard,
        dependency=error.dependency,
        reason=str(error),
        **fields,
    )
