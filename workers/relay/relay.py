"""The relay process: one thread per shard, and one that balances shards between relays."""

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
from workers.relay.metrics import CREDENTIALS, TABLE, RelayMetrics
from workers.relay.share import LOOK_EVERY, Share
from workers.relay.sweep import PAGE, Sweep
from workers.runtime.dependencies import Dependencies
from workers.runtime.errors import Conflict, Unavailable
from workers.runtime.ports import Topic
from workers.runtime.settlement import LONGEST_BACKOFF, full_jitter

SHORTEST_PAUSE: Final = 0.5  # s
LONGEST_PAUSE: Final = 5.0  # s; after several sweeps without a row
FIRST_BACKOFF: Final = 1.0  # s
MEASURE_EVERY: Final = 10.0  # s
SIT_OUT_AFTER: Final = 3  # consecutive failures of one shard
SIT_OUT: Final = 30.0  # s

log = structlog.get_logger()


class ShardLoop:
    """Sweeps one shard repeatedly; it pauses longer while there are no rows."""

    def __init__(
        self,
        sweep: Sweep,
        *,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self.sweep = sweep
        self.failures = 0
        self.ended = False  # ``run`` is about to return, or has returned
        self._clock = clock
        self._uniform = uniform
        self._not_before = -float("inf")
        self._idle = 0  # consecutive sweeps that found nothing

    def run(self, stopping: Flag) -> None:
        """Step until ``stopping`` is set, then release the shard."""
        try:
            while not stopping.is_set():
                stopping.wait(self.step())
        finally:
            self.ended = True
            self.release()

    def release(self) -> None:
        """Release the shard. A failure is logged; other relays then wait for the lease to end."""
        with _reported(self.sweep.dependencies, self.sweep.shard):
            self.sweep.release()

    def step(self) -> float:
        """Sweep once if we own the shard and no back-off is active; return the next pause (s)."""
        if self.sweep.leaving:
            self.release()
        if not self.sweep.holds:
            self.failures = self._idle = 0
            return SHORTEST_PAUSE
        if self._clock() < self._not_before:
            return min(SHORTEST_PAUSE, self._not_before - self._clock())
        found = self._sweep()
        if found >= PAGE:
            return 0.0
        self._idle = 0 if found else self._idle + 1
        return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(max(0, self._idle - 1), 10))

    def _sweep(self) -> int:
        try:
            found = self.sweep.run()
        except Unavailable as error:
            self.failures += 1
            delay = full_jitter(
                self.failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF, uniform=self._uniform
            )
            self._not_before = self._clock() + delay
            self.sweep.dependencies.failed(error)
            _report(self.sweep.shard, error, failures=self.failures, delay=round(delay, 2))
            return 0
        self.failures = 0
        return found


class Relay:
    """Publishes its share of the outbox. Any number of relays may run."""

    def __init__(
        self,
        outbox: Outbox,
        leases: OutboxLeases,
        topic: Topic,
        *,
        owner: str,
        metrics: RelayMetrics,
        ordered: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``owner`` identifies this process in the leases and must be unique.

        ``ordered``: the topic keeps the order of a group, see ``Sweep``.
        """
        self._outbox = outbox
        self._metrics = metrics
        self._dependencies = metrics.dependencies
        self._now = now
        self._clock = clock
        self._share = Share(leases, owner, outbox.SHARDS, clock=clock)
        self._measured_at = self._back_at = -float("inf")
        self.shard_loops = [
            ShardLoop(
                Sweep(
                    shard,
                    outbox,
                    leases,
                    topic,
                    metrics=metrics,
                    now=now,
                    clock=clock,
                    ordered=ordered,
                ),
                clock=clock,
                uniform=uniform,
            )
            for shard in range(outbox.SHARDS)
        ]

    def loops(self) -> Mapping[str, Callable[[Flag], None]]:
        """Return the loops by name. Each needs its own thread and ends once its flag is set."""
        sweeps = {f"shard-{loop.sweep.shard}": loop.run for loop in self.shard_loops}
        return {"relay": self.run, **sweeps}

    def run(self, stopping: Flag) -> None:
        """Balance the shards until ``stopping`` is set, then give all of ours up."""
        while not stopping.is_set():
            self.step()
            stopping.wait(LOOK_EVERY)
        self._leave(range(self._outbox.SHARDS))
        for loop in self.shard_loops:
            if loop.ended:  # we may have offered it a lease after it ended
                loop.release()
        with _reported(self._dependencies):
            self._share.leave()

    def step(self) -> None:
        """Take free shards up to our fair share, give up surplus ones, update the metrics."""
        with _reported(self._dependencies):
            self._balance()
        if self._clock() - self._measured_at >= MEASURE_EVERY:
            self._measured_at = self._clock()
            with _reported(self._dependencies):
                self._measure()

    def _balance(self) -> None:
        if self._clock() < self._back_at:
            return
        view = self._share.look()
        self._dependencies.succeeded(TABLE, CREDENTIALS)
        owned = {loop.sweep.shard for loop in self.shard_loops if loop.sweep.holds}
        failing = any(loop.failures >= SIT_OUT_AFTER for loop in self.shard_loops)
        if failing and len(view.relays) > 1:
            # Other relays may reach what we cannot. The last relay never sits out.
            log.warning("outbox.sitting_out", seconds=SIT_OUT)
            self._back_at = self._clock() + SIT_OUT
            self._share.leave()
            self._leave(owned)
            return
        self._leave(self._share.surplus(view, owned))
        requested_at = self._clock()
        for lease in self._share.take(view, owned):
            self.shard_loops[lease.shard].sweep.offer(lease, requested_at)

    def _leave(self, shards: Iterable[int]) -> None:
        for shard in shards:
            self.shard_loops[shard].sweep.leaving = True

    def _measure(self) -> None:
        """Measure all shards, not only ours, so that a shard without an owner is noticed."""
        now = self._now()
        for shard in range(self._outbox.SHARDS):
            oldest = self._outbox.oldest(shard)
            age = (now - oldest).total_seconds() if oldest else 0.0
            self._metrics.oldest.labels(shard).set(max(0.0, age))
        self._metrics.stuck.set(self._outbox.stuck_count())


@contextmanager
def _reported(dependencies: Dependencies, shard: int | None = None) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        dependencies.failed(error)
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
