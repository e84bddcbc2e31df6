"""Heartbeats: each worker reports its state to the roster of its service every ten seconds.

The same tick reads whether the service is paused. Nothing here can fail or delay the handling of
messages: without an answer the worker warns once, obeys the last known pause, and tries again.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event as Flag
from typing import Final

import structlog

from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import CLOUDWATCH_METRICS, SETTLEMENTS, Telemetry
from workers.runtime.pause import PauseSwitch
from workers.runtime.permits import Permits
from workers.runtime.roster import BEAT_EVERY, Heartbeat, Roster

RATE_OVER: Final = 6  # beats: the rate is that of the last minute
JOIN_EVERY: Final = 360 * BEAT_EVERY  # s; see Reporter._join
SILENT: Final = JOIN_EVERY  # s without a beat, after which a worker is taken off the roster
# Others that a worker looks at when it joins. Of 500 workers each looks at ten an hour, so a killed
# one is noticed within the hour; a write per worker and second would make the roster's row hot.
LOOKED_AT: Final = 10

log = structlog.get_logger()


class Reporter:
    """Reports one worker. One thread calls it."""

    def __init__(
        self,
        roster: Roster,
        switch: PauseSwitch,
        *,
        worker: str,
        version: str,
        task: str,
        leases: Leases,
        permits: Permits,
        telemetry: Telemetry,
        now: Callable[[], float],
        utcnow: Callable[[], datetime],
        sample: Callable[[Sequence[str], int], Sequence[str]] = random.sample,
    ) -> None:
        self._roster = roster
        self._switch = switch
        self._worker = worker
        self._version = version
        self._task = task
        self._leases = leases
        self._permits = permits
        self._telemetry = telemetry
        self._now = now
        self._utcnow = utcnow
        self._sample = sample
        self._started_at = utcnow()
        self._handled: deque[tuple[float, int]] = deque([(now(), 0)], maxlen=RATE_OVER + 1)
        self._join_at = now()
        self._failing = False

    def run(self, over: Flag) -> None:
        """Report until the flag is set, then leave the roster: the loop of a thread."""
        self.step()
        wait = random.uniform(0, BEAT_EVERY)  # noqa: S311 - workers that start together spread out
        while not over.wait(wait):
            self.step()
            wait = BEAT_EVERY
        self.leave()

    def step(self) -> None:
        """Read the pause, and report."""
        try:
            self._switch.look(self._roster.pause())
            self._roster.beat(self._heartbeat())
            if self._now() >= self._join_at:
                self._join()
        except Exception as error:  # noqa: BLE001 - a report must never end the worker
            self._switch.unknown()
            if not self._failing:
                log.warning("heartbeat.failing", reason=str(error), errorType=type(error).__name__)
            self._failing = True
        else:
            if self._failing:
                log.info("heartbeat.working")
            self._failing = False

    def leave(self) -> None:
        """Take this worker off the roster. Not while the roster does not answer: a stop waits."""
        if self._failing:
            return
        try:
            self._roster.leave([self._worker])
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("heartbeat.failing", reason=str(error), errorType=type(error).__name__)

    def _join(self) -> None:
        """Enter the roster, and take some off it that have been silent for too long.

        Workers that were killed cannot leave by themselves. A worker that was silent itself, and
        was taken off, is due to join again by then.
        """
        others = sorted(set(self._roster.join(self._worker)) - {self._worker})
        self._join_at = self._now() + JOIN_EVERY
        looked_at = self._sample(others, min(LOOKED_AT, len(others)))
        if gone := [worker for worker in looked_at if self._is_gone(worker)]:
            self._roster.leave(gone)

    def _is_gone(self, worker: str) -> bool:
        at = self._roster.last_beat(worker)
        return at is None or (self._utcnow() - at).total_seconds() > SILENT

    def _heartbeat(self) -> Heartbeat:
        handled, failed = _settled(self._telemetry)
        self._handled.append((self._now(), handled))
        (began, before), (ended, after) = self._handled[0], self._handled[-1]
        return Heartbeat(
            worker=self._worker,
            at=self._utcnow(),
            started_at=self._started_at,
            version=self._version,
            task=self._task,
            in_flight=len(self._leases),
            slots=self._permits.concurrency,
            handled=handled,
            failed=failed,
            rate=round((after - before) / (ended - began), 3) if ended > began else 0.0,
            oldest_sent_at=self._leases.oldest_sent_at(),
            paused=self._switch.pause is not None,
        )


def _settled(telemetry: Telemetry) -> tuple[int, int]:
    """Return how many deliveries were handled and how many failed, as CloudWatch counts them."""
    counts = {
        metric.name: metric.read(family)
        for family in telemetry.registry.restricted_registry([f"{SETTLEMENTS}_total"]).collect()
        for metric in CLOUDWATCH_METRICS
        if metric.metric == SETTLEMENTS
    }
    # Without a settled message there is no sample.
    return int(counts.get("MessagesProcessed") or 0), int(counts.get("MessagesFailed") or 0)
