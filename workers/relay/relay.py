"""The loop of the relay: every shard in turn, at the pace at which rows turn up."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from typing import Final

import structlog

from workers.aws.outbox import Outbox
from workers.relay.metrics import RelayMetrics
from workers.relay.sweep import PAGE, Sweep
from workers.runtime.errors import Unavailable
from workers.runtime.ports import Topic
from workers.runtime.settlement import full_jitter

SHORTEST_PAUSE: Final = 0.5  # s
LONGEST_PAUSE: Final = 5.0  # s; once nothing has turned up for a while
FIRST_BACKOFF: Final = 1.0  # s
LONGEST_BACKOFF: Final = 30.0  # s
MEASURE_EVERY: Final = timedelta(seconds=10)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

log = structlog.get_logger()


@dataclass(slots=True)
class Turn:
    """When a shard is next looked at; after failures later and later."""

    sweep: Sweep
    failures: int = 0
    not_before: datetime = _NEVER


class Relay:
    """Publishes the outbox. Any number of them may run."""

    def __init__(
        self,
        outbox: Outbox,
        topic: Topic,
        *,
        owner: str,
        metrics: RelayMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``owner`` names this process in the leases; no other process may have the same."""
        self._outbox = outbox
        self._metrics = metrics
        self._now = now
        self._uniform = uniform
        self._turns = [
            Turn(Sweep(shard, outbox, topic, owner=owner, metrics=metrics, now=now))
            for shard in range(outbox.SHARDS)
        ]
        self._idle_steps = 0
        self._measured_at = _NEVER

    def run(self, stopping: Flag) -> None:
        """Step until ``stopping`` is set, then let other relays take over at once."""
        try:
            while not stopping.is_set():
                stopping.wait(self.step())
        finally:
            self.release()

    def step(self) -> float:
        """Sweep every shard once; return how long to wait (s) before the next step."""
        found = [self._take(turn) for turn in self._turns if turn.not_before <= self._now()]
        self._measure()
        if max(found, default=0) >= PAGE:
            return 0.0
        self._idle_steps = 0 if any(found) else self._idle_steps + 1
        return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(max(0, self._idle_steps - 1), 10))

    def release(self) -> None:
        """Give the leases up; those that cannot be given up expire."""
        for turn in self._turns:
            with _reported(turn.sweep.shard):
                turn.sweep.release()

    def _take(self, turn: Turn) -> int:
        try:
            found = turn.sweep.run()
        except Unavailable as error:
            turn.failures += 1
            delay = full_jitter(
                turn.failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF, uniform=self._uniform
            )
            turn.not_before = self._now() + timedelta(seconds=delay)
            _report(turn.sweep.shard, error, failures=turn.failures, delay=round(delay, 2))
            return 0
        turn.failures = 0
        return found

    def _measure(self) -> None:
        """Look at all shards, whoever has their leases: somebody has to notice that nobody has."""
        now = self._now()
        if now - self._measured_at < MEASURE_EVERY:
            return
        self._measured_at = now
        with _reported(shard=None):
            for turn in self._turns:
                oldest = self._outbox.oldest(turn.sweep.shard)
                age = (now - oldest).total_seconds() if oldest else 0.0
                self._metrics.oldest.labels(turn.sweep.shard).set(max(0.0, age))
            self._metrics.stuck.set(self._outbox.stuck_count())


@contextmanager
def _reported(shard: int | None) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        _report(shard, error)


def _report(shard: int | None, error: Unavailable, **fields: float) -> None:
    log.warning(
        "outbox.unavailable",
        shard=shard,
        dependency=error.dependency,
        reason=str(error),
        **fields,
    )
